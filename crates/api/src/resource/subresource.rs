//! Parts of objects with paths of their own.

/// A part of an object with its own path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// `status`: what controllers and kubelets report.
    Status,
    /// `scale`: the replica count as `autoscaling/v1 Scale`.
    Scale,
    /// `log`.
    Log,
    /// `exec`.
    Exec,
    /// `attach`.
    Attach,
    /// `portforward`.
    PortForward,
    /// `proxy`.
    Proxy,
    /// `binding`: the scheduler's decision.
    Binding,
    /// `eviction`.
    Eviction,
    /// `ephemeralcontainers`.
    EphemeralContainers,
    /// `resize`.
    Resize,
    /// `token`: requests a service account's token.
    Token,
    /// `finalize`: ends a namespace.
    Finalize,
    /// `approval`: the judgement on a certificate signing request.
    Approval,
}

impl Subresource {
    /// Returns its name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Subresource::Status => "status",
            Subresource::Scale => "scale",
            Subresource::Log => "log",
            Subresource::Exec => "exec",
            Subresource::Attach => "attach",
            Subresource::PortForward => "portforward",
            Subresource::Proxy => "proxy",
            Subresource::Binding => "binding",
            Subresource::Eviction => "eviction",
            Subresource::EphemeralContainers => "ephemeralcontainers",
            Subresource::Resize => "resize",
            Subresource::Token => "token",
            Subresource::Finalize => "finalize",
            Subresource::Approval => "approval",
        }
    }

    /// Finds a subresource by its name in paths.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Status,
            Self::Scale,
            Self::Log,
            Self::Exec,
            Self::Attach,
            Self::PortForward,
            Self::Proxy,
            Self::Binding,
            Self::Eviction,
            Self::EphemeralContainers,
            Self::Resize,
            Self::Token,
            Self::Finalize,
            Self::Approval,
        ];
        all.into_iter().find(|one| one.name() == name)
    }

    /// Returns its verbs as discovery tells them.
    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Subresource::Status
            | Subresource::Scale
            | Subresource::EphemeralContainers
            | Subresource::Resize
            | Subresource::Approval => &["get", "patch", "update"],
            Subresource::Log => &["get"],
            Subresource::Exec | Subresource::Attach | Subresource::PortForward => &["create", "get"],
            Subresource::Proxy => &["create", "delete", "get", "patch", "update"],
            Subresource::Binding | Subresource::Eviction | Subresource::Token => &["create"],
            Subresource::Finalize => &["update"],
        }
    }
}
