//! One request from its head to its answer.

use std::{panic::AssertUnwindSafe, sync::Arc};

use api::resource::{Storage, Subresource};
use api::status::ApiError;
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, Response, request::Parts};
use jiff::Timestamp;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::{
    Body, Identity, answer, authenticate, authorize, body, components,
    core::{Call, Core},
    create, custom_metrics, delete, documents, list, metrics, modify, patch,
    query::Query,
    respond, reviews,
    route::{self, Route, Target},
    streaming::{self, Pieces},
    subresource::{self, binding, eviction, log, proxy, scale, token},
    watch,
};

/// Through what a request came.
#[derive(Clone)]
pub(crate) enum Caller {
    /// From this process; trusted.
    Process(Arc<Identity>),
    /// Over a connection, with the user of its certificate.
    Connection(Option<Arc<Identity>>),
}

/// Answers a request; never fails and never panics.
pub(crate) async fn handle<B>(
    core: Arc<Core>,
    caller: Caller,
    draining: CancellationToken,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let answered = AssertUnwindSafe(perform(&core, &caller, draining, parts, body)).catch_unwind().await;
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(%method, path, code = error.code, %error, "refused");
            respond::error(&error)
        }
        // a defect of ours; the request fails, the server goes on
        Err(_) => {
            tracing::error!(%method, path, "a request made the server panic");
            respond::error(&ApiError::internal("the server failed to answer because of a defect in it"))
        }
    };
    if method == Method::HEAD { response.map(|_| respond::body(Bytes::new())) } else { response }
}

async fn perform<B>(
    core: &Arc<Core>,
    caller: &Caller,
    draining: CancellationToken,
    mut parts: Parts,
    body: B,
) -> Result<Response<Body>, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // 1. who
    let identity = match caller {
        Caller::Process(identity) => Arc::clone(identity),
        Caller::Connection(user) => authenticate::identify(core, &parts.headers, user.as_ref())?,
    };
    let identity = authenticate::impersonate(core, &parts.headers, identity)?;
    let query = Query::parse(parts.uri.query());
    // 2. what, and whether it is allowed
    if let Some(asked) = custom_metrics::parse(parts.uri.path()) {
        authorize::check(core, &identity, &asked.wanted(&parts.method))?;
        let call = (identity, query, parts.headers, draining);
        return custom_metrics::read(core, &asked, &parts.method, call).await;
    }
    match route::parse(core.registry, parts.uri.path()) {
        Err(error) => {
            authorize::check(core, &identity, &authorize::of_path(&parts.method, parts.uri.path()))?;
            Err(error)
        }
        Ok(Route::Other(segments)) => {
            authorize::check(core, &identity, &authorize::of_path(&parts.method, parts.uri.path()))?;
            if !matches!(parts.method, Method::GET | Method::HEAD) {
                return Err(ApiError::path_not_found());
            }
            documents::get(core, &segments, &parts.headers, &query)
        }
        Ok(Route::Target(target)) => {
            let verb = authorize::verb(&parts.method, &target, &query);
            authorize::check(core, &identity, &authorize::of_target(verb, &target))?;
            let _permit = match caller {
                Caller::Connection(_) if !is_long(verb, &target) => Some(enter(core)?),
                Caller::Connection(_) | Caller::Process(_) => None,
            };
            // 3. do it
            let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
            let headers = parts.headers;
            let call = Call { identity, target, query, headers, now: Timestamp::now(), draining };
            let request = Wanted { verb, method: parts.method, uri: parts.uri, upgrade };
            let mut answered = dispatch(core, &call, request, body).await;
            let warning = call.target.row.deprecation;
            if let (Ok(response), false) = (&mut answered, warning.is_empty()) {
                respond::warn(response, &[warning.to_owned()]);
            }
            answered
        }
    }
}

/// Requests that last as long as the client likes are bounded by its connections.
fn is_long(verb: &str, target: &Target) -> bool {
    let part = target.subresource.as_deref();
    verb == "watch" || matches!(part, Some("log" | "exec" | "attach" | "portforward" | "proxy"))
}

fn enter(core: &Core) -> Result<SemaphorePermit<'_>, ApiError> {
    core.in_flight
        .try_acquire()
        .map_err(|_| ApiError::too_many_requests("too many requests, please try again later", 1))
}

/// What is left of a request's head once the call is made.
struct Wanted {
    verb: &'static str,
    method: Method,
    uri: http::Uri,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
}

async fn dispatch<B>(
    core: &Arc<Core>,
    call: &Call,
    wanted: Wanted,
    body: B,
) -> Result<Response<Body>, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let part = subresource::parse(&call.target)?;
    if let Some(part @ (Subresource::Exec | Subresource::Attach | Subresource::PortForward)) = part {
        return streaming::serve(core, call, part, wanted.upgrade);
    }
    if part == Some(Subresource::Proxy) {
        return proxy::serve(core, call, wanted.method, &wanted.uri, body).await;
    }
    let row = call.target.row;
    let is_read = matches!(wanted.verb, "get" | "list");
    match (row.group, row.plural) {
        (metrics::GROUP, _) if is_read => return metrics::read(core, call).await,
        ("", components::PLURAL) if is_read => return components::read(core, call).await,
        (metrics::GROUP, _) | ("", components::PLURAL) => return Err(not_allowed(&call.target, wanted.verb)),
        _ => {}
    }
    match (wanted.verb, part) {
        (
            "get",
            None
            | Some(
                Subresource::Status
                | Subresource::EphemeralContainers
                | Subresource::Resize
                | Subresource::Approval,
            ),
        ) => return answer::get(core, call),
        ("list", None) => return list::list(core, call),
        ("watch", None) => {
            return streaming::carried(call, wanted.upgrade, Pieces::Lines, async {
                watch::watch(core, call)
            })
            .await;
        }
        ("get", Some(Subresource::Log)) => {
            return streaming::carried(call, wanted.upgrade, Pieces::AsTheyCome, log::get(core, call)).await;
        }
        ("get", Some(Subresource::Scale)) => return scale::get(core, call)?.respond(call),
        _ => {}
    }
    if matches!(wanted.method, Method::GET | Method::HEAD) {
        return Err(not_allowed(&call.target, wanted.verb));
    }
    let body = body::read(body).await?;
    change(core, call, wanted.verb, part, body).await?.respond(call)
}

async fn change(
    core: &Core,
    call: &Call,
    verb: &str,
    part: Option<Subresource>,
    body: Bytes,
) -> Result<answer::Answer, ApiError> {
    let target = &call.target;
    let Some(part) = part else {
        if !target.row.verbs.contains(&verb) || (verb == "create" && target.name.is_some()) {
            return Err(not_allowed(target, verb));
        }
        check_namespace(target)?;
        return match verb {
            "create" if matches!(target.row.storage, Storage::Virtual) => {
                reviews::create(core, call, body).await
            }
            "create" => create::create(core, call, body).await,
            "update" => modify::update(core, call, body).await,
            "patch" => patch::patch(core, call, body).await,
            "delete" => delete::delete(core, call, body).await,
            "deletecollection" => delete::delete_collection(core, call, body).await,
            _ => Err(not_allowed(target, verb)),
        };
    };
    match (verb, part) {
        (
            "update",
            Subresource::Status
            | Subresource::EphemeralContainers
            | Subresource::Resize
            | Subresource::Approval,
        ) => modify::update(core, call, body).await,
        (
            "patch",
            Subresource::Status
            | Subresource::EphemeralContainers
            | Subresource::Resize
            | Subresource::Approval,
        ) => patch::patch(core, call, body).await,
        ("update", Subresource::Scale) => scale::update(core, call, body).await,
        ("patch", Subresource::Scale) => scale::patch(core, call, body).await,
        ("update", Subresource::Finalize) => subresource::finalize(core, call, body).await,
        ("create", Subresource::Binding) => binding::create(core, call, body).await,
        ("create", Subresource::Eviction) => eviction::create(core, call, body).await,
        ("create", Subresource::Token) => token::create(core, call, body).await,
        _ => Err(not_allowed(target, verb)),
    }
}

/// Objects of a namespaced kind are only created and deleted inside one namespace.
fn check_namespace(target: &Target) -> Result<(), ApiError> {
    if target.row.namespaced && target.namespace.is_none() {
        return Err(ApiError::method_not_allowed(
            target.row.group,
            target.row.plural,
            "change without a namespace",
        ));
    }
    Ok(())
}

fn not_allowed(target: &Target, verb: &str) -> ApiError {
    ApiError::method_not_allowed(target.row.group, target.row.plural, verb)
}
