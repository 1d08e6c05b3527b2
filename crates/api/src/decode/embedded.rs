//! Which fields Go keeps in a struct inside the struct: its errors name that one on the way.

/// Volume types of pods that are told through the struct that embeds them.
const VOLUME: &str = "VolumeSource";

/// Returns the embedded struct that holds a field of a type.
pub(super) fn holder(owner: &str, field: &str) -> Option<&'static str> {
    let is_own = |own: &[&str]| own.contains(&field);
    match owner {
        "core.v1.Probe" if is_own(&["exec", "grpc", "httpGet", "tcpSocket"]) => Some("ProbeHandler"),
        "networking.v1.IngressRule" if field == "http" => Some("IngressRuleValue"),
        "core.v1.Volume" if field != "name" => Some(VOLUME),
        "core.v1.PersistentVolumeSpec" if !is_own(&VOLUME_SPEC) => Some("PersistentVolumeSource"),
        "core.v1.EphemeralContainer" if field != "targetContainerName" => Some("EphemeralContainerCommon"),
        "core.v1.ConfigMapEnvSource"
        | "core.v1.ConfigMapKeySelector"
        | "core.v1.ConfigMapProjection"
        | "core.v1.ConfigMapVolumeSource"
        | "core.v1.SecretEnvSource"
        | "core.v1.SecretKeySelector"
        | "core.v1.SecretProjection"
            if field == "name" =>
        {
            Some("LocalObjectReference")
        }
        _ => None,
    }
}

/// The fields of a PersistentVolume's spec that say nothing of where its data is.
pub(crate) const VOLUME_SPEC: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];
