//! Jobs whose pods fail for reasons of their own, or of the cluster's.

use serde_json::Value;

use crate::support::{User, eventually, everyone};
use crate::toolbox;

const STEADY: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: steady}
spec:
  backoffLimit: 0
  podFailurePolicy:
    rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: work, image: 'toolbox:1', command: [sleep, infinity]}]
";

const FLAWED: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: flawed}
spec:
  completions: 2
  parallelism: 2
  completionMode: Indexed
  backoffLimitPerIndex: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: work, image: 'toolbox:1', command: [sh, -c, exit 3]}]
";

fn pods(user: &User, job: &str) -> Vec<Value> {
    let list = user.object(&["pods", "-l", &format!("job-name={job}")]);
    list["items"].as_array().unwrap().clone()
}

#[test]
fn pods_that_fail_count_by_the_policies_of_their_job() {
    let user = User::new(everyone()[0]);
    user.up();
    toolbox::load(&user);
    let manifest = user.write("steady.yaml", STEADY);
    user.kubectl(&["apply", "-f", &manifest]);
    let running = |user: &User| {
        let all = pods(user, "steady");
        let stays = |pod: &&Value| {
            pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
        };
        all.iter().find(stays).map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
    };
    let first = eventually("the job's pod runs", || running(&user));
    let node = user.object(&["pod", &first])["spec"]["nodeName"].as_str().unwrap().to_owned();
    user.kubectl(&["drain", &node, "--ignore-daemonsets", "--force"]);
    user.kubectl(&["uncordon", &node]);
    let second = eventually("another pod runs in its place", || running(&user).filter(|name| *name != first));
    assert_ne!(first, second);
    assert_ne!(user.try_kubectl(&["get", "pod", &first]).status, 0, "nothing holds the evicted pod");
    let status = user.object(&["job", "steady"])["status"].clone();
    assert_eq!((&status["failed"], &status["active"]), (&Value::Null, &Value::from(1)), "{status}");

    let manifest = user.write("flawed.yaml", FLAWED);
    user.kubectl(&["apply", "-f", &manifest]);
    let failed = eventually("the other job has failed", || {
        let status = user.object(&["job", "flawed"])["status"].clone();
        let conditions = status["conditions"].as_array()?.clone();
        conditions.iter().any(|one| one["type"] == "Failed" && one["status"] == "True").then_some(status)
    });
    assert_eq!(
        (&failed["failedIndexes"], &failed["failed"]),
        (&Value::from("0,1"), &Value::from(2)),
        "{failed}"
    );
    assert!(failed["conditions"].as_array().unwrap().iter().any(|one| one["reason"] == "FailedIndexes"));
}
