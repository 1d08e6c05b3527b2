//! Serves the Kubernetes API over the store: generic verbs over the resource table.
//!
//! Modules, in reading order:
//! - [`config`] (plain data in), [`identity`] (who asks), [`streams`] and [`measure`] (what the node side must offer),
//!   [`server`] (the handle: build, call in process, serve), [`tls`];
//! - one request: `serve` (connections), `dispatch` (from head to answer), `authenticate`, `authorize` with
//!   `rbac`, `route`, `query`, `negotiate`, `body`,
//!   `protobuf`, `respond`;
//! - the verbs: `answer` (get), `select` with `pick`, `list`, `watch`, `create`, `modify` (every change), `patch`,
//!   `delete`; `subresource`, `streaming` (exec, attach, port-forward, logs and watches by WebSocket), `reviews` (kinds that are only answered), `metrics` and `components` (kinds that are measured), `custom_metrics` (what pods and the Ingress tell), `documents` (discovery and the like);
//! - what they share: `core`, `stored` (the kept form of objects), `admission`, `quota` (what a namespace may hold), `allocate` (service addresses),
//!   `tokens`;
//! - `bootstrap` (the first objects) and `expiry` (old events).
//!
//! It never runs a controller and never touches a node: it checks, admits, stores, lists and streams.
//! It writes no files of its own; everything it keeps goes through the store.

pub mod config;
pub mod identity;
pub mod measure;
pub mod server;
pub mod streams;
pub mod tls;

mod dispatch;
mod serve;

mod authenticate;
mod authorize;
mod body;
mod negotiate;
mod protobuf;
mod query;
mod rbac;
mod respond;
mod route;

mod answer;
mod components;
mod create;
mod custom_metrics;
mod delete;
mod documents;
mod list;
mod metrics;
mod modify;
mod patch;
mod pick;
mod reviews;
mod select;
mod streaming;
mod subresource;
mod watch;

mod admission;
mod allocate;
mod core;
mod quota;
mod stored;
mod tokens;

mod bootstrap;
mod expiry;

pub use config::{BuildError, Config};
pub use identity::Identity;
pub use measure::ResourceMetrics;
pub use server::{ApiServer, Body, Service};
pub use streams::NodeStreams;
