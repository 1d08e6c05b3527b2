//! The table itself, in the order of discovery.

use super::Subresource::{
    Approval, Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, PortForward, Proxy,
    Resize, Scale, Status, Token,
};
use super::{Resource, Storage, Subresource};
use crate::rules;
use crate::table;

const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NAMESPACE_VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const STATUS: &[Subresource] = &[Status];
const SCALE: &[Subresource] = &[Scale, Status];
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.resourceVersion",
    "involvedObject.uid",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
const EVENT_V1_FIELDS: &[&str] = &[
    "reason",
    "regarding.apiVersion",
    "regarding.fieldPath",
    "regarding.kind",
    "regarding.name",
    "regarding.namespace",
    "regarding.resourceVersion",
    "regarding.uid",
    "reportingController",
    "type",
];
const POD_FIELDS: &[&str] = &[
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

/// A kind of a group, with what most kinds have.
const fn kind(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    schema: &'static str,
) -> Resource {
    Resource {
        group,
        version: "v1",
        kind,
        plural,
        singular: "",
        short_names: &[],
        categories: &[],
        namespaced: true,
        subresources: &[],
        verbs: ALL_VERBS,
        storage: Storage::Own,
        schema,
        selectable: &[],
        rules: rules::PLAIN,
        printer: &table::PLAIN,
        deprecation: "",
    }
}

/// A kind that is only ever created: the answer is the result.
const fn review(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    schema: &'static str,
) -> Resource {
    Resource {
        verbs: &["create"],
        storage: Storage::Virtual,
        namespaced: false,
        ..kind(group, name, plural, schema)
    }
}

/// A kind whose objects are measured when they are asked for.
const fn measured(
    name: &'static str,
    plural: &'static str,
    schema: &'static str,
    printer: &'static table::Printer,
) -> Resource {
    Resource {
        version: "v1beta1",
        verbs: &["get", "list"],
        storage: Storage::Virtual,
        printer,
        ..kind(METRICS, name, plural, schema)
    }
}

const CORE: &str = "";
const APPS: &str = "apps";
const EVENTS: &str = "events.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTOSCALING: &str = "autoscaling";
const BATCH: &str = "batch";
const NETWORKING: &str = "networking.k8s.io";
const POLICY: &str = "policy";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";
const SCHEDULING: &str = "scheduling.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";
const RUNTIMES: &str = "node.k8s.io";
const DISCOVERY: &str = "discovery.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const METRICS: &str = "metrics.k8s.io";

/// Every built-in row.
pub(super) static ROWS: &[Resource] = &[
    Resource {
        singular: "binding",
        verbs: &["create"],
        storage: Storage::Virtual,
        ..kind(CORE, "Binding", "bindings", "core.v1.Binding")
    },
    Resource {
        singular: "componentstatus",
        short_names: &["cs"],
        namespaced: false,
        verbs: &["get", "list"],
        storage: Storage::Virtual,
        printer: &table::COMPONENT_STATUS,
        deprecation: "v1 ComponentStatus is deprecated in v1.19+",
        ..kind(CORE, "ComponentStatus", "componentstatuses", "core.v1.ComponentStatus")
    },
    Resource {
        singular: "configmap",
        short_names: &["cm"],
        rules: rules::CONFIG_MAP,
        printer: &table::CONFIG_MAP,
        ..kind(CORE, "ConfigMap", "configmaps", "core.v1.ConfigMap")
    },
    Resource {
        singular: "endpoints",
        short_names: &["ep"],
        rules: rules::ENDPOINTS,
        deprecation: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        printer: &table::ENDPOINTS,
        ..kind(CORE, "Endpoints", "endpoints", "core.v1.Endpoints")
    },
    Resource {
        singular: "event",
        short_names: &["ev"],
        selectable: EVENT_FIELDS,
        rules: rules::EVENT,
        printer: &table::EVENT,
        ..kind(CORE, "Event", "events", "core.v1.Event")
    },
    Resource {
        singular: "limitrange",
        short_names: &["limits"],
        rules: rules::LIMIT_RANGE,
        ..kind(CORE, "LimitRange", "limitranges", "core.v1.LimitRange")
    },
    Resource {
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        verbs: NAMESPACE_VERBS,
        subresources: &[Finalize, Status],
        selectable: &["name", "status.phase"],
        rules: rules::NAMESPACE,
        printer: &table::NAMESPACE,
        ..kind(CORE, "Namespace", "namespaces", "core.v1.Namespace")
    },
    Resource {
        singular: "node",
        short_names: &["no"],
        namespaced: false,
        subresources: &[Proxy, Status],
        selectable: &["spec.unschedulable"],
        rules: rules::NODE,
        printer: &table::NODE,
        ..kind(CORE, "Node", "nodes", "core.v1.Node")
    },
    Resource {
        singular: "persistentvolumeclaim",
        short_names: &["pvc"],
        subresources: STATUS,
        rules: rules::VOLUME_CLAIM,
        printer: &table::VOLUME_CLAIM,
        ..kind(CORE, "PersistentVolumeClaim", "persistentvolumeclaims", "core.v1.PersistentVolumeClaim")
    },
    Resource {
        singular: "persistentvolume",
        short_names: &["pv"],
        namespaced: false,
        subresources: STATUS,
        rules: rules::VOLUME,
        printer: &table::VOLUME,
        ..kind(CORE, "PersistentVolume", "persistentvolumes", "core.v1.PersistentVolume")
    },
    Resource {
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: &[
            Attach,
            Binding,
            EphemeralContainers,
            Eviction,
            Exec,
            Log,
            PortForward,
            Proxy,
            Resize,
            Status,
        ],
        selectable: POD_FIELDS,
        rules: rules::POD,
        printer: &table::POD,
        ..kind(CORE, "Pod", "pods", "core.v1.Pod")
    },
    Resource {
        singular: "podtemplate",
        rules: rules::POD_TEMPLATE,
        printer: &table::POD_TEMPLATE,
        ..kind(CORE, "PodTemplate", "podtemplates", "core.v1.PodTemplate")
    },
    Resource {
        singular: "replicationcontroller",
        short_names: &["rc"],
        categories: &["all"],
        subresources: SCALE,
        selectable: &["status.replicas"],
        rules: rules::REPLICATION_CONTROLLER,
        printer: &table::REPLICATION_CONTROLLER,
        ..kind(CORE, "ReplicationController", "replicationcontrollers", "core.v1.ReplicationController")
    },
    Resource {
        singular: "resourcequota",
        short_names: &["quota"],
        subresources: STATUS,
        rules: rules::RESOURCE_QUOTA,
        printer: &table::RESOURCE_QUOTA,
        ..kind(CORE, "ResourceQuota", "resourcequotas", "core.v1.ResourceQuota")
    },
    Resource {
        singular: "secret",
        selectable: &["type"],
        rules: rules::SECRET,
        printer: &table::SECRET,
        ..kind(CORE, "Secret", "secrets", "core.v1.Secret")
    },
    Resource {
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &[Token],
        printer: &table::SERVICE_ACCOUNT,
        ..kind(CORE, "ServiceAccount", "serviceaccounts", "core.v1.ServiceAccount")
    },
    Resource {
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[Proxy, Status],
        selectable: &["spec.clusterIP", "spec.type"],
        rules: rules::SERVICE,
        printer: &table::SERVICE,
        ..kind(CORE, "Service", "services", "core.v1.Service")
    },
    Resource {
        singular: "controllerrevision",
        rules: rules::CONTROLLER_REVISION,
        printer: &table::CONTROLLER_REVISION,
        ..kind(APPS, "ControllerRevision", "controllerrevisions", "apps.v1.ControllerRevision")
    },
    Resource {
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        subresources: STATUS,
        rules: rules::DAEMON_SET,
        printer: &table::DAEMON_SET,
        ..kind(APPS, "DaemonSet", "daemonsets", "apps.v1.DaemonSet")
    },
    Resource {
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: SCALE,
        rules: rules::DEPLOYMENT,
        printer: &table::DEPLOYMENT,
        ..kind(APPS, "Deployment", "deployments", "apps.v1.Deployment")
    },
    Resource {
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        subresources: SCALE,
        selectable: &["status.replicas"],
        rules: rules::REPLICA_SET,
        printer: &table::REPLICA_SET,
        ..kind(APPS, "ReplicaSet", "replicasets", "apps.v1.ReplicaSet")
    },
    Resource {
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        subresources: SCALE,
        rules: rules::STATEFUL_SET,
        printer: &table::STATEFUL_SET,
        ..kind(APPS, "StatefulSet", "statefulsets", "apps.v1.StatefulSet")
    },
    Resource {
        singular: "event",
        short_names: &["ev"],
        selectable: EVENT_V1_FIELDS,
        storage: Storage::Shared { group: CORE, version: "v1", convert: &rules::EVENT_CONVERSION },
        rules: rules::EVENT_V1,
        printer: &table::EVENT,
        ..kind(EVENTS, "Event", "events", "events.v1.Event")
    },
    Resource {
        singular: "selfsubjectreview",
        ..review(
            AUTHENTICATION,
            "SelfSubjectReview",
            "selfsubjectreviews",
            "authentication.v1.SelfSubjectReview",
        )
    },
    Resource {
        singular: "tokenreview",
        ..review(AUTHENTICATION, "TokenReview", "tokenreviews", "authentication.v1.TokenReview")
    },
    Resource {
        singular: "localsubjectaccessreview",
        namespaced: true,
        ..review(
            AUTHORIZATION,
            "LocalSubjectAccessReview",
            "localsubjectaccessreviews",
            "authorization.v1.LocalSubjectAccessReview",
        )
    },
    Resource {
        singular: "selfsubjectaccessreview",
        ..review(
            AUTHORIZATION,
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
            "authorization.v1.SelfSubjectAccessReview",
        )
    },
    Resource {
        singular: "selfsubjectrulesreview",
        ..review(
            AUTHORIZATION,
            "SelfSubjectRulesReview",
            "selfsubjectrulesreviews",
            "authorization.v1.SelfSubjectRulesReview",
        )
    },
    Resource {
        singular: "subjectaccessreview",
        ..review(
            AUTHORIZATION,
            "SubjectAccessReview",
            "subjectaccessreviews",
            "authorization.v1.SubjectAccessReview",
        )
    },
    Resource {
        version: "v2",
        singular: "horizontalpodautoscaler",
        short_names: &["hpa"],
        categories: &["all"],
        subresources: STATUS,
        rules: rules::AUTOSCALER,
        printer: &table::AUTOSCALER,
        ..kind(
            AUTOSCALING,
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "autoscaling.v2.HorizontalPodAutoscaler",
        )
    },
    Resource {
        singular: "horizontalpodautoscaler",
        short_names: &["hpa"],
        categories: &["all"],
        subresources: STATUS,
        storage: Storage::Shared {
            group: AUTOSCALING,
            version: "v2",
            convert: &rules::AUTOSCALER_CONVERSION,
        },
        rules: rules::AUTOSCALER_V1,
        printer: &table::AUTOSCALER,
        ..kind(
            AUTOSCALING,
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "autoscaling.v1.HorizontalPodAutoscaler",
        )
    },
    Resource {
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        subresources: STATUS,
        rules: rules::CRON_JOB,
        printer: &table::CRON_JOB,
        ..kind(BATCH, "CronJob", "cronjobs", "batch.v1.CronJob")
    },
    Resource {
        version: "v1beta1",
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        subresources: STATUS,
        storage: Storage::Shared { group: BATCH, version: "v1", convert: &rules::CRON_JOB_CONVERSION },
        rules: rules::CRON_JOB,
        printer: &table::CRON_JOB,
        ..kind(BATCH, "CronJob", "cronjobs", "batch.v1.CronJob")
    },
    Resource {
        singular: "job",
        categories: &["all"],
        subresources: STATUS,
        selectable: &["status.successful"],
        rules: rules::JOB,
        printer: &table::JOB,
        ..kind(BATCH, "Job", "jobs", "batch.v1.Job")
    },
    Resource {
        singular: "ingressclass",
        namespaced: false,
        rules: rules::INGRESS_CLASS,
        printer: &table::INGRESS_CLASS,
        ..kind(NETWORKING, "IngressClass", "ingressclasses", "networking.v1.IngressClass")
    },
    Resource {
        singular: "ingress",
        short_names: &["ing"],
        subresources: STATUS,
        rules: rules::INGRESS,
        printer: &table::INGRESS,
        ..kind(NETWORKING, "Ingress", "ingresses", "networking.v1.Ingress")
    },
    Resource {
        singular: "networkpolicy",
        short_names: &["netpol"],
        rules: rules::NETWORK_POLICY,
        printer: &table::NETWORK_POLICY,
        ..kind(NETWORKING, "NetworkPolicy", "networkpolicies", "networking.v1.NetworkPolicy")
    },
    Resource {
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: STATUS,
        rules: rules::DISRUPTION_BUDGET,
        printer: &table::DISRUPTION_BUDGET,
        ..kind(POLICY, "PodDisruptionBudget", "poddisruptionbudgets", "policy.v1.PodDisruptionBudget")
    },
    Resource {
        version: "v1beta1",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: STATUS,
        storage: Storage::Shared { group: POLICY, version: "v1", convert: &rules::BUDGET_CONVERSION },
        rules: rules::DISRUPTION_BUDGET,
        printer: &table::DISRUPTION_BUDGET,
        ..kind(POLICY, "PodDisruptionBudget", "poddisruptionbudgets", "policy.v1.PodDisruptionBudget")
    },
    Resource {
        singular: "clusterrolebinding",
        namespaced: false,
        rules: rules::ROLE_BINDING,
        printer: &table::ROLE_BINDING,
        ..kind(RBAC, "ClusterRoleBinding", "clusterrolebindings", "rbac.v1.ClusterRoleBinding")
    },
    Resource {
        singular: "clusterrole",
        namespaced: false,
        rules: rules::ROLE,
        printer: &table::ROLE,
        ..kind(RBAC, "ClusterRole", "clusterroles", "rbac.v1.ClusterRole")
    },
    Resource {
        singular: "rolebinding",
        rules: rules::ROLE_BINDING,
        printer: &table::ROLE_BINDING,
        ..kind(RBAC, "RoleBinding", "rolebindings", "rbac.v1.RoleBinding")
    },
    Resource {
        singular: "role",
        rules: rules::ROLE,
        printer: &table::ROLE,
        ..kind(RBAC, "Role", "roles", "rbac.v1.Role")
    },
    Resource {
        singular: "csidriver",
        namespaced: false,
        rules: rules::CSI_DRIVER,
        printer: &table::CSI_DRIVER,
        ..kind(STORAGE, "CSIDriver", "csidrivers", "storage.v1.CSIDriver")
    },
    Resource {
        singular: "csinode",
        namespaced: false,
        printer: &table::CSI_NODE,
        ..kind(STORAGE, "CSINode", "csinodes", "storage.v1.CSINode")
    },
    Resource {
        singular: "csistoragecapacity",
        rules: rules::CSI_CAPACITY,
        printer: &table::CSI_CAPACITY,
        ..kind(STORAGE, "CSIStorageCapacity", "csistoragecapacities", "storage.v1.CSIStorageCapacity")
    },
    Resource {
        singular: "storageclass",
        short_names: &["sc"],
        namespaced: false,
        rules: rules::STORAGE_CLASS,
        printer: &table::STORAGE_CLASS,
        ..kind(STORAGE, "StorageClass", "storageclasses", "storage.v1.StorageClass")
    },
    Resource {
        singular: "volumeattachment",
        namespaced: false,
        subresources: STATUS,
        rules: rules::VOLUME_ATTACHMENT,
        printer: &table::VOLUME_ATTACHMENT,
        ..kind(STORAGE, "VolumeAttachment", "volumeattachments", "storage.v1.VolumeAttachment")
    },
    Resource {
        singular: "volumeattributesclass",
        short_names: &["vac"],
        namespaced: false,
        rules: rules::VOLUME_ATTRIBUTES_CLASS,
        printer: &table::VOLUME_ATTRIBUTES_CLASS,
        ..kind(
            STORAGE,
            "VolumeAttributesClass",
            "volumeattributesclasses",
            "storage.v1.VolumeAttributesClass",
        )
    },
    // There are none and none can be made: clients that look for further kinds learn that in the usual way.
    Resource {
        singular: "customresourcedefinition",
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        namespaced: false,
        verbs: &["get", "list", "watch"],
        ..kind(
            EXTENSIONS,
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "apiextensions.v1.CustomResourceDefinition",
        )
    },
    Resource {
        singular: "priorityclass",
        short_names: &["pc"],
        namespaced: false,
        rules: rules::PRIORITY_CLASS,
        printer: &table::PRIORITY_CLASS,
        ..kind(SCHEDULING, "PriorityClass", "priorityclasses", "scheduling.v1.PriorityClass")
    },
    Resource {
        singular: "lease",
        rules: rules::LEASE,
        printer: &table::LEASE,
        ..kind(COORDINATION, "Lease", "leases", "coordination.v1.Lease")
    },
    Resource {
        singular: "runtimeclass",
        namespaced: false,
        rules: rules::RUNTIME_CLASS,
        printer: &table::RUNTIME_CLASS,
        ..kind(RUNTIMES, "RuntimeClass", "runtimeclasses", "node.v1.RuntimeClass")
    },
    Resource {
        singular: "endpointslice",
        rules: rules::ENDPOINT_SLICE,
        printer: &table::ENDPOINT_SLICE,
        ..kind(DISCOVERY, "EndpointSlice", "endpointslices", "discovery.v1.EndpointSlice")
    },
    Resource {
        singular: "certificatesigningrequest",
        short_names: &["csr"],
        namespaced: false,
        subresources: &[Approval, Status],
        selectable: &["spec.signerName"],
        rules: rules::SIGNING_REQUEST,
        printer: &table::SIGNING_REQUEST,
        ..kind(
            CERTIFICATES,
            "CertificateSigningRequest",
            "certificatesigningrequests",
            "certificates.v1.CertificateSigningRequest",
        )
    },
    Resource {
        singular: "flowschema",
        namespaced: false,
        subresources: STATUS,
        rules: rules::FLOW_SCHEMA,
        printer: &table::FLOW_SCHEMA,
        ..kind(FLOW, "FlowSchema", "flowschemas", "flowcontrol.v1.FlowSchema")
    },
    Resource {
        singular: "prioritylevelconfiguration",
        namespaced: false,
        subresources: STATUS,
        rules: rules::PRIORITY_LEVEL,
        printer: &table::PRIORITY_LEVEL,
        ..kind(
            FLOW,
            "PriorityLevelConfiguration",
            "prioritylevelconfigurations",
            "flowcontrol.v1.PriorityLevelConfiguration",
        )
    },
    // Last, so that clients take `pods` and `nodes` for those of the core.
    Resource {
        namespaced: false,
        ..measured("NodeMetrics", "nodes", "metrics.v1beta1.NodeMetrics", &table::NODE_METRICS)
    },
    measured("PodMetrics", "pods", "metrics.v1beta1.PodMetrics", &table::POD_METRICS),
];
