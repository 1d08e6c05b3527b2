//! Volumes, claims, storage classes.

use serde_json::Value;

use super::cells::{age, at, is_deleted, list, name, text, text_or};
use super::{AGE, Column, NAME, Printer};

/// PersistentVolumes.
pub(crate) static VOLUME: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("Reclaim Policy"),
        Column::text("Status"),
        Column::text("Claim"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        Column::text("Reason"),
        AGE,
        Column::wide("VolumeMode"),
    ],
    row: |object, now| {
        let claim = at(object, "/spec/claimRef").map_or_else(String::new, |claim| {
            format!("{}/{}", text(claim, "/namespace"), text(claim, "/name"))
        });
        vec![
            name(object),
            text_or(object, "/spec/capacity/storage", "0").into(),
            access_modes(list(object, "/spec/accessModes")).into(),
            text(object, "/spec/persistentVolumeReclaimPolicy").into(),
            phase(object).into(),
            claim.into(),
            class(object).into(),
            text_or(object, "/spec/volumeAttributesClassName", "<unset>").into(),
            text(object, "/status/reason").into(),
            age(object, now),
            text_or(object, "/spec/volumeMode", "<unset>").into(),
        ]
    },
};

/// PersistentVolumeClaims.
pub(crate) static VOLUME_CLAIM: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Status"),
        Column::text("Volume"),
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        AGE,
        Column::wide("VolumeMode"),
    ],
    row: |object, now| {
        let volume = text(object, "/spec/volumeName");
        let is_bound = !volume.is_empty();
        let capacity = if is_bound { text_or(object, "/status/capacity/storage", "0") } else { "" };
        let modes = if is_bound { access_modes(list(object, "/status/accessModes")) } else { String::new() };
        vec![
            name(object),
            phase(object).into(),
            volume.into(),
            capacity.into(),
            modes.into(),
            class(object).into(),
            text_or(object, "/spec/volumeAttributesClassName", "<unset>").into(),
            age(object, now),
            text_or(object, "/spec/volumeMode", "<unset>").into(),
        ]
    },
};

fn phase(object: &Value) -> &str {
    if is_deleted(object) { "Terminating" } else { text(object, "/status/phase") }
}

fn class(object: &Value) -> &str {
    text_or(
        object,
        "/metadata/annotations/volume.beta.kubernetes.io~1storage-class",
        text(object, "/spec/storageClassName"),
    )
}

fn access_modes(modes: &[Value]) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |wanted: &str| modes.iter().any(|mode| mode.as_str() == Some(wanted));
    let shown: Vec<&str> = short.iter().filter(|(mode, _)| has(mode)).map(|(_, word)| *word).collect();
    shown.join(",")
}

/// StorageClasses.
pub(crate) static STORAGE_CLASS: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Provisioner"),
        Column::text("ReclaimPolicy"),
        Column::text("VolumeBindingMode"),
        Column::text("AllowVolumeExpansion"),
        AGE,
    ],
    row: |object, now| {
        let is_default =
            text(object, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
        let suffix = if is_default { " (default)" } else { "" };
        let can_expand = at(object, "/allowVolumeExpansion").and_then(Value::as_bool).unwrap_or_default();
        vec![
            format!("{}{suffix}", text(object, "/metadata/name")).into(),
            text(object, "/provisioner").into(),
            text_or(object, "/reclaimPolicy", "Delete").into(),
            text_or(object, "/volumeBindingMode", "Immediate").into(),
            can_expand.into(),
            age(object, now),
        ]
    },
};

/// CSIDrivers.
pub(crate) static CSI_DRIVER: Printer = Printer {
    columns: &[
        NAME,
        Column::text("AttachRequired"),
        Column::text("PodInfoOnMount"),
        Column::text("StorageCapacity"),
        Column::text("TokenRequests"),
        Column::text("RequiresRepublish"),
        Column::text("Modes"),
        AGE,
    ],
    row: |object, now| {
        let flag = |path: &str, unset: bool| at(object, path).and_then(Value::as_bool).unwrap_or(unset);
        let words = |path: &str, field: &str| -> Vec<String> {
            let word = |value: &Value| value.as_str().or_else(|| value[field].as_str()).map(str::to_owned);
            list(object, path).iter().filter_map(word).collect()
        };
        let or_unset = |words: Vec<String>, unset: &str| {
            if words.is_empty() { unset.to_owned() } else { words.join(",") }
        };
        vec![
            name(object),
            flag("/spec/attachRequired", true).into(),
            flag("/spec/podInfoOnMount", false).into(),
            flag("/spec/storageCapacity", false).into(),
            or_unset(words("/spec/tokenRequests", "audience"), "<unset>").into(),
            flag("/spec/requiresRepublish", false).into(),
            or_unset(words("/spec/volumeLifecycleModes", ""), "<none>").into(),
            age(object, now),
        ]
    },
};

/// CSINodes.
pub(crate) static CSI_NODE: Printer = Printer {
    columns: &[NAME, Column::integer("Drivers"), AGE],
    row: |object, now| vec![name(object), list(object, "/spec/drivers").len().into(), age(object, now)],
};

/// CSIStorageCapacities.
pub(crate) static CSI_CAPACITY: Printer = Printer {
    columns: &[NAME, Column::text("StorageClassName"), Column::text("Capacity"), AGE],
    row: |object, now| {
        let capacity = text_or(object, "/capacity", "<unset>");
        vec![name(object), text(object, "/storageClassName").into(), capacity.into(), age(object, now)]
    },
};

/// VolumeAttachments.
pub(crate) static VOLUME_ATTACHMENT: Printer = Printer {
    columns: &[
        NAME,
        Column::text("Attacher"),
        Column::text("PV"),
        Column::text("Node"),
        Column::text("Attached"),
        AGE,
    ],
    row: |object, now| {
        vec![
            name(object),
            text(object, "/spec/attacher").into(),
            text(object, "/spec/source/persistentVolumeName").into(),
            text(object, "/spec/nodeName").into(),
            at(object, "/status/attached").and_then(Value::as_bool).unwrap_or_default().into(),
            age(object, now),
        ]
    },
};

/// VolumeAttributesClasses.
pub(crate) static VOLUME_ATTRIBUTES_CLASS: Printer = Printer {
    columns: &[NAME, Column::text("DriverName"), AGE],
    row: |object, now| vec![name(object), text(object, "/driverName").into(), age(object, now)],
};
