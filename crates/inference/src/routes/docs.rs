//! `/docs`: one page on which a person tries a model; nothing on it comes from elsewhere.

use engine::summary::{Shape, TrainingData};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{Answer, App, bytes};
use crate::repository::Served;
use crate::signature::{Column, ColumnKind};

/// The page, with a place for what it shows.
const PAGE: &str = include_str!("docs/page.html");
const PLACE: &str = "/*MODELS*/";

/// Wider tables would be pages of fields that nobody fills in.
const MOST_COLUMNS: usize = 500;

/// What the page may do: run what it brought, ask this server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

impl App {
    pub(super) fn docs(&self) -> Answer {
        let states = self.core.repository().states();
        let mut served: Vec<_> =
            states.iter().filter_map(|state| Some((state.is_default, state.served.as_ref()?))).collect();
        // what answers when no version is asked for stands first
        served.sort_by_key(|(is_default, _)| !is_default);
        let models: Vec<Value> = served.into_iter().map(|(_, served)| model(served)).collect();
        let mut answer =
            bytes(StatusCode::OK, page(&json!({ "version": self.config.version, "models": models })));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static("content-security-policy"), HeaderValue::from_static(POLICY));
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        answer
    }
}

/// The page with what it is to show; nothing in that can end the script it stands in.
fn page(models: &Value) -> String {
    let safe = models
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    PAGE.replacen(PLACE, &safe, 1)
}

fn model(served: &Served) -> Value {
    let signature = &served.signature;
    let training = served.model.training_data();
    let columns = signature.columns.iter().take(MOST_COLUMNS).enumerate();
    let why_not = match served.model.unexplainable() {
        _ if signature.columns.len() > MOST_COLUMNS => {
            Some("the model has too many columns for a form".to_owned())
        }
        why_not => why_not.map(|why_not| why_not.to_string()),
    };
    json!({
        "name": served.name,
        "version": served.version,
        "kind": served.model.kind(),
        "origin": served.model.origin(),
        "isText": signature.is_text(),
        "isNamed": signature.is_named,
        "isExplainable": why_not.is_none(),
        "whyNot": why_not,
        "columns": columns.map(|(place, described)| column(place, described, training.as_ref())).collect::<Vec<_>>(),
    })
}

fn column(place: usize, column: &Column, training: Option<&TrainingData>) -> Value {
    let mut described = json!({
        "name": column.name,
        "kind": match column.kind {
            ColumnKind::Number => "number",
            ColumnKind::Word => "word",
            ColumnKind::Text => "text",
            ColumnKind::Either => "either",
        },
    });
    let shape = training.and_then(|training| training.columns.get(place)).map(|column| &column.shape);
    match (shape, column.kind) {
        (Some(Shape::Number(bins)), _) if !bins.shares.is_empty() => {
            described["least"] = json!(bins.least);
            described["largest"] = json!(bins.largest);
            let middle = bins.edges.get(bins.edges.len() / 2);
            described["example"] = json!(middle.copied().unwrap_or(bins.mean).to_string());
        }
        (Some(Shape::Category { top, others }), _) => {
            if *others == 0.0 {
                described["choices"] = top.iter().map(|(name, _)| name.as_str()).collect();
            }
            described["example"] = json!(top.first().map(|(name, _)| name));
        }
        (_, ColumnKind::Number | ColumnKind::Either) => described["example"] = json!("0.5"),
        (_, ColumnKind::Text) => described["example"] = json!("why did the pod restart again"),
        (_, ColumnKind::Word) => {}
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_script_they_stand_in() {
        let page = page(&json!({ "models": [{ "name": "</script><b>\u{2028}" }] }));
        assert!(!page.contains("</script><b>") && page.contains("\\u003c/script>"), "the name is let out");
        assert!(!page.contains(PLACE));
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn the_page_brings_all_it_needs() {
        for foreign in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!PAGE.contains(foreign), "the page has `{foreign}`");
        }
        for needed in ["viewport", "color-scheme", "max-width: 46rem", "noscript", PLACE] {
            assert!(PAGE.contains(needed), "the page lacks `{needed}`");
        }
    }
}
