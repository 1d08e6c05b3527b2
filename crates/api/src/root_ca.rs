//! The ConfigMap in every namespace that pods trust the API by: made with the namespace, kept by a controller.

/// Its name.
pub const NAME: &str = "kube-root-ca.crt";

/// The key of the certificates, as PEM.
pub const FILE: &str = "ca.crt";

/// The annotation that describes it.
pub const DESCRIPTION: &str = "kubernetes.io/description";

/// Its description: Kubernetes' own, which tools compare.
pub const DESCRIBED: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
     endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
     distributions of Kubernetes clusters.";
