//! The table of paths: what each means, and by which methods it is asked.

use crate::repository::Target;

/// What a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Version,
    Predict,
    Explain,
    Docs,
    Startup,
    Ready,
    Health,
    Metrics,
    OpenApi,
    Models,
    Model,
    Load,
    Unload,
    V2Live,
    V2Ready,
    V2Server,
    V2Model,
    V2ModelReady,
    V2Infer,
    V2Index,
    V1Models,
    V1Model,
    V1Predict,
}

/// What answers a path, how it is counted, and by which methods it is asked.
pub(super) struct Found<'a> {
    pub(super) route: Route,
    pub(super) target: Target<'a>,
    /// The path as the documentation writes it: the name it is counted under.
    pub(super) path: &'static str,
    pub(super) methods: &'static str,
}

const GET: &str = "GET, HEAD";
const POST: &str = "POST";

/// Every path as the documentation writes it; the most asked first. What is in braces stands for any segment.
pub(super) const PATHS: [(&str, Route, &str); 36] = [
    ("/api/v1/predict", Route::Predict, POST),
    ("/api/v1/models/{model}/predict", Route::Predict, POST),
    ("/api/v1/models/{model}/versions/{version}/predict", Route::Predict, POST),
    ("/v2/models/{model}/infer", Route::V2Infer, POST),
    ("/v2/models/{model}/versions/{version}/infer", Route::V2Infer, POST),
    ("/v1/models/{model}:predict", Route::V1Predict, POST),
    ("/api/v1/explain", Route::Explain, POST),
    ("/api/v1/models/{model}/explain", Route::Explain, POST),
    ("/api/v1/models/{model}/versions/{version}/explain", Route::Explain, POST),
    ("/docs", Route::Docs, GET),
    ("/api/v1/ready", Route::Ready, GET),
    ("/api/v1/health", Route::Health, GET),
    ("/api/v1/startup", Route::Startup, GET),
    ("/api/v1/version", Route::Version, GET),
    ("/metrics", Route::Metrics, GET),
    ("/openapi.json", Route::OpenApi, GET),
    ("/api/v1/models", Route::Models, GET),
    ("/api/v1/models/{model}", Route::Model, GET),
    ("/api/v1/models/{model}/load", Route::Load, POST),
    ("/api/v1/models/{model}/unload", Route::Unload, POST),
    ("/api/v1/models/{model}/versions/{version}", Route::Model, GET),
    ("/api/v1/models/{model}/versions/{version}/load", Route::Load, POST),
    ("/api/v1/models/{model}/versions/{version}/unload", Route::Unload, POST),
    ("/v2", Route::V2Server, GET),
    ("/v2/health/live", Route::V2Live, GET),
    ("/v2/health/ready", Route::V2Ready, GET),
    ("/v2/models/{model}", Route::V2Model, GET),
    ("/v2/models/{model}/versions/{version}", Route::V2Model, GET),
    ("/v2/models/{model}/ready", Route::V2ModelReady, GET),
    ("/v2/models/{model}/versions/{version}/ready", Route::V2ModelReady, GET),
    ("/v2/repository/index", Route::V2Index, POST),
    ("/v2/repository/models/{model}/load", Route::Load, POST),
    ("/v2/repository/models/{model}/unload", Route::Unload, POST),
    ("/v1/models", Route::V1Models, GET),
    ("/v1/models/{model}", Route::V1Model, GET),
    ("/", Route::Version, GET),
];

/// What a path means; a slash at its end means nothing.
pub(super) fn find(path: &str) -> Option<Found<'_>> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    PATHS.iter().find_map(|(known, route, methods)| {
        let target = fits(known, path)?;
        Some(Found { route: *route, target, path: known, methods })
    })
}

/// What the braces stand for, if a path is of a known form.
fn fits<'a>(mut known: &str, mut path: &'a str) -> Option<Target<'a>> {
    let mut target = Target::default();
    while let Some((before, after)) = known.split_once('{') {
        path = path.strip_prefix(before)?;
        let (name, rest) = after.split_once('}')?;
        // up to what follows the brace, be it a slash or, in KServe's paths, a colon
        let end = match rest.chars().next() {
            Some(':') => path.rfind(':')?,
            Some(next) => path.find(next)?,
            None => path.len(),
        };
        let (segment, remains) = path.split_at(end);
        if segment.is_empty() || segment.contains('/') {
            return None;
        }
        match name {
            "model" => target.model = Some(segment),
            _ => target.version = Some(segment),
        }
        known = rest;
        path = remains;
    }
    (known == path).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let check = |path: &str, expected: Option<(Route, Option<&str>, Option<&str>)>| {
            let found = find(path).map(|found| (found.route, found.target.model, found.target.version));
            assert_eq!(found, expected, "{path}");
        };
        check("/api/v1/predict", Some((Route::Predict, None, None)));
        check("/api/v1/predict/", Some((Route::Predict, None, None)));
        check("/api/v1/models/lr/predict", Some((Route::Predict, Some("lr"), None)));
        check("/api/v1/models/lr/versions/2/predict", Some((Route::Predict, Some("lr"), Some("2"))));
        check("/v2/models/lr/versions/2", Some((Route::V2Model, Some("lr"), Some("2"))));
        check("/v2/models/ж к/ready", Some((Route::V2ModelReady, Some("ж к"), None)));
        check("/v1/models/a:b:predict", Some((Route::V1Predict, Some("a:b"), None)));
        check("/v1/models/lr", Some((Route::V1Model, Some("lr"), None)));
        check("/v2/repository/models/lr/load", Some((Route::Load, Some("lr"), None)));
        for path in
            ["", "/api/v1/models//predict", "/v2/models/a/b/infer", "/api/v1/predictx", "/v1/models/a/b"]
        {
            check(path, None);
        }
    }

    #[test]
    fn every_path_leads_to_its_own_row() {
        for (known, _, methods) in PATHS {
            let path = known.replace("{model}", "m").replace("{version}", "v");
            let found = find(&path).unwrap();
            assert_eq!((found.path, found.methods), (known, methods));
        }
    }
}
