//! Files: claims whose data outlive pods and clusters, every kind of volume, files in and out of pods.

use crate::support::{User, eventually, everyone};

/// A pod that sleeps in the model server's image, whose own shell and tools do the rest.
fn sleeper(name: &str, container: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{l: x}}}}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  - name: c\n    image: jokemeter:lr\n    \
         command: [sh, -c, \"sleep 10000\"]\n{container}{spec}"
    )
}

fn sh(user: &User, pod: &str, command: &str) -> String {
    user.kubectl(&["exec", pod, "--", "sh", "-c", command])
}

fn ready(user: &User, pod: &str) {
    user.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{pod}"), "--timeout=60s"]);
}

fn phase(user: &User, kind: &str, name: &str) -> String {
    user.try_kubectl(&["get", kind, name, "-o=jsonpath={.status.phase}"]).stdout
}

const STATEFUL: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: jokemeter:lr
        command: [sh, -c, "echo $HOSTNAME >> /data/log; sleep 10000"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
"#;

fn data_outlive_pods_and_the_cluster(user: &User) {
    let manifest = user.write("db.yaml", STATEFUL);
    user.kubectl(&["apply", "-f", &manifest]);
    user.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]);
    let told = user.kubectl(&["describe", "pvc", "data-db-0"]);
    for word in
        ["ExternalProvisioning", "ProvisioningSucceeded", "Bound", "standard", "kubernetes.io/pvc-protection"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    user.kubectl(&["delete", "pod", "db-0"]);
    ready(user, "db-0");
    assert_eq!(sh(user, "db-0", "cat /data/log"), "db-0\ndb-0\n");
    user.pinnace(&["down"]);
    user.up();
    user.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]);
    eventually("the pod has written after the restart", || {
        let log = user.try_kubectl(&["exec", "db-0", "--", "cat", "/data/log"]).stdout;
        (log == "db-0\ndb-0\ndb-0\n").then_some(())
    });

    // Claims stay when a set shrinks, unless it says otherwise.
    user.kubectl(&["scale", "statefulset/db", "--replicas=1"]);
    eventually("db-1 is gone", || (user.try_kubectl(&["get", "pod", "db-1"]).status != 0).then_some(()));
    assert_eq!(phase(user, "pvc", "data-db-1"), "Bound");
    user.kubectl(&["scale", "statefulset/db", "--replicas=2"]);
    ready(user, "db-1");
    let policy =
        r#"{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete","whenDeleted":"Delete"}}}"#;
    user.kubectl(&["patch", "statefulset/db", "-p", policy]);
    user.kubectl(&["scale", "statefulset/db", "--replicas=1"]);
    eventually("the claim went with its pod", || phase(user, "pvc", "data-db-1").is_empty().then_some(()));
    user.kubectl(&["delete", "statefulset/db"]);
    eventually("claims and volumes are gone", || {
        user.kubectl(&["get", "pvc,pv", "-o", "name"]).is_empty().then_some(())
    });
    let claims = user.home().join(".local/share/pinnace/clusters/pinnace/nodes/pinnace/claims");
    eventually("and their folders", || (std::fs::read_dir(&claims).unwrap().count() == 0).then_some(()));
}

fn a_claim_waits_for_its_pod_and_stays_while_it_is_used(user: &User) {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: notes}\nspec: {accessModes: \
                 [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n";
    let manifest = user.write("claim.yaml", claim);
    user.kubectl(&["apply", "-f", &manifest]);
    eventually("the claim says what it waits for", || {
        let told = user.kubectl(&["describe", "pvc", "notes"]);
        let words = "waiting for first consumer to be created before binding";
        (told.contains("WaitForFirstConsumer") && told.contains(words)).then_some(())
    });
    assert_eq!(phase(user, "pvc", "notes"), "Pending");
    let mounts = "    volumeMounts: [{name: v, mountPath: /v}]\n";
    let volumes = "  volumes: [{name: v, persistentVolumeClaim: {claimName: notes}}]\n";
    let pod = user.write("user.yaml", &sleeper("user", mounts, volumes));
    user.kubectl(&["apply", "-f", &pod]);
    ready(user, "user");
    assert_eq!(phase(user, "pvc", "notes"), "Bound");
    user.kubectl(&["delete", "pvc", "notes", "--wait=false"]);
    assert!(user.kubectl(&["get", "pvc", "notes"]).contains("Terminating"));
    sh(user, "user", "echo still > /v/there");
    user.kubectl(&["delete", "pod", "user"]);
    user.kubectl(&["wait", "--for=delete", "pvc/notes", "--timeout=60s"]);

    let missing = user.write("missing.yaml", &sleeper("missing", mounts, volumes));
    user.kubectl(&["apply", "-f", &missing]);
    eventually("the scheduler names the claim", || {
        let told = user.kubectl(&["describe", "pod", "missing"]);
        told.contains("persistentvolumeclaim \"notes\" not found").then_some(())
    });
    user.kubectl(&["apply", "-f", &manifest]);
    ready(user, "missing");
    user.kubectl(&["delete", "pod/missing", "pvc/notes"]);
}

fn volumes_made_by_hand_are_bound_and_kept(user: &User) {
    let folder = user.home().join("by-hand");
    let volume = format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: by-hand}}\nspec: {{capacity: {{storage: 1Gi}}, \
         accessModes: [ReadWriteOnce], storageClassName: manual, hostPath: {{path: {}, type: DirectoryOrCreate}}}}\n---\n\
         apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: by-hand}}\nspec: {{accessModes: \
         [ReadWriteOnce], storageClassName: manual, resources: {{requests: {{storage: 1Mi}}}}}}\n",
        folder.display()
    );
    let manifest = user.write("volume.yaml", &volume);
    user.kubectl(&["apply", "-f", &manifest]);
    eventually("the claim is bound", || (phase(user, "pvc", "by-hand") == "Bound").then_some(()));
    let mounts = "    volumeMounts: [{name: v, mountPath: /v}]\n    securityContext: {runAsUser: 0}\n";
    let volumes = "  volumes: [{name: v, persistentVolumeClaim: {claimName: by-hand}}]\n";
    let pod = user.write("by-hand.yaml", &sleeper("by-hand", mounts, volumes));
    user.kubectl(&["apply", "-f", &pod]);
    ready(user, "by-hand");
    sh(user, "by-hand", "echo kept > /v/file");
    user.kubectl(&["delete", "pod/by-hand", "pvc/by-hand"]);
    eventually("the volume is released", || (phase(user, "pv", "by-hand") == "Released").then_some(()));
    user.kubectl(&["delete", "pv", "by-hand"]);
    assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "kept\n");
}

const SOURCES: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {a: alpha, b: beta}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: sec}\nstringData: {k: v}\n";

const MOUNTS: &str = r#"    env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    volumeMounts:
    - {name: mem, mountPath: /mem}
    - {name: dsk, mountPath: /dsk}
    - {name: dsk, mountPath: /sub, subPathExpr: "$(POD)/x"}
    - {name: img, mountPath: /img}
    - {name: img, mountPath: /img-sub, subPath: models}
    - {name: cm, mountPath: /cm}
    - {name: cm, mountPath: /one, subPath: a}
    - {name: eph, mountPath: /eph}
    - {name: all, mountPath: /all}
"#;

const VOLUMES: &str = r#"  volumes:
  - {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: dsk, emptyDir: {}}
  - {name: img, image: {reference: "jokemeter:tr", pullPolicy: IfNotPresent}}
  - {name: cm, configMap: {name: cm, defaultMode: 0444, items: [{key: a, path: a}, {key: b, path: d/b, mode: 0644}]}}
  - {name: eph, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}}
  - name: all
    projected:
      sources:
      - {configMap: {name: cm}}
      - {secret: {name: sec, items: [{key: k, path: in/k}]}}
      - {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
      - {configMap: {name: no-such, optional: true}}
"#;

fn every_kind_of_volume_is_what_it_says(user: &User) {
    let sources = user.write("sources.yaml", SOURCES);
    let pod = user.write("all.yaml", &sleeper("all", MOUNTS, VOLUMES));
    user.kubectl(&["apply", "-f", &sources, "-f", &pod]);
    ready(user, "all");
    let show = "cat /proc/self/mountinfo";
    let mounts = sh(user, "all", show);
    let line = |target: &str| {
        let at = format!(" {target} ");
        mounts.lines().find(|line| line.contains(&at)).unwrap_or_else(|| panic!("{target}: {mounts}"))
    };
    assert!(line("/mem").contains("tmpfs") && line("/mem").contains("size=1024k"), "{}", line("/mem"));
    for option in ["overlay", " ro,", "noexec"] {
        assert!(line("/img").contains(option), "{}", line("/img"));
    }
    assert_eq!(sh(user, "all", "ls /img-sub"), "tr.model\n");
    let refused = user.try_kubectl(&["exec", "all", "--", "sh", "-c", "echo x > /img/x"]);
    assert!(refused.stderr.contains("Read-only file system"), "{refused:?}");
    sh(user, "all", "echo s > /sub/f; echo e > /eph/f");
    assert_eq!(
        sh(user, "all", "cat /dsk/all/x/f /one /cm/d/b /all/in/k /all/labels"),
        "s\nalphabetavl=\"x\""
    );
    assert!(sh(user, "all", "ls -l /cm/d/b").starts_with("-rw-r--r--"));
    assert_eq!(phase(user, "pvc", "all-eph"), "Bound");

    let patch = r#"{"data":{"a":"changed"}}"#;
    user.kubectl(&["patch", "configmap/cm", "-p", patch]);
    eventually("mounted files follow, and a subPath does not", || {
        (sh(user, "all", "cat /cm/a /all/a /one") == "changedchangedalpha").then_some(())
    });
    user.kubectl(&["delete", "pod/all", "configmap/cm", "secret/sec"]);
    eventually("the pod's own claim goes with it", || phase(user, "pvc", "all-eph").is_empty().then_some(()));
}

fn a_pod_that_fills_its_volume_is_evicted(user: &User) {
    let mounts = "    volumeMounts: [{name: v, mountPath: /v}]\n";
    let volumes = "  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]\n";
    let pod = user.write("full.yaml", &sleeper("full", mounts, volumes));
    user.kubectl(&["apply", "-f", &pod]);
    ready(user, "full");
    // The program itself is larger than that.
    sh(user, "full", "cat /pinnace > /v/file");
    eventually("the pod has failed", || (phase(user, "pod", "full") == "Failed").then_some(()));
    let status = user.object(&["pod", "full"])["status"].clone();
    assert_eq!(status["reason"], "Evicted", "{status}");
    assert_eq!(status["message"], "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    user.kubectl(&["delete", "pod/full"]);
}

fn files_go_in_and_out(user: &User) {
    let pod = user.write("cp.yaml", &sleeper("cp", "", ""));
    user.kubectl(&["apply", "-f", &pod]);
    ready(user, "cp");
    user.write("folder/in/file", "content\n");
    user.write("one", "привет\n");
    user.kubectl(&["cp", "one", "cp:/tmp/one"]);
    user.kubectl(&["cp", "one", "cp:/tmp"]);
    user.kubectl(&["cp", "folder", "cp:/tmp/"]);
    assert_eq!(sh(user, "cp", "cat /tmp/one /tmp/folder/in/file"), "привет\ncontent\n");
    user.kubectl(&["cp", "cp:/tmp/one", "back"]);
    user.kubectl(&["cp", "cp:/tmp/folder", "back-folder"]);
    let read = |name: &str| std::fs::read_to_string(user.home().join(name)).unwrap();
    assert_eq!((read("back"), read("back-folder/in/file")), ("привет\n".to_owned(), "content\n".to_owned()));
    // `kubectl cp` itself may end before it hears of the failure.
    let missing = user.try_kubectl(&["exec", "cp", "--", "tar", "cf", "-", "/no/such"]);
    assert!(missing.stderr.contains("/no/such"), "{missing:?}");
    let beyond = user.try_kubectl(&["exec", "cp", "--", "sh", "-c", "for i in 1 2; do echo; done"]);
    assert!(beyond.stderr.contains("`for` is beyond this small shell"), "{beyond:?}");
}

#[test]
fn volumes_are_as_on_any_cluster() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        user.up();
        data_outlive_pods_and_the_cluster(&user);
        a_claim_waits_for_its_pod_and_stays_while_it_is_used(&user);
        volumes_made_by_hand_are_bound_and_kept(&user);
        every_kind_of_volume_is_what_it_says(&user);
        files_go_in_and_out(&user);
        a_pod_that_fills_its_volume_is_evicted(&user);
    }
}
