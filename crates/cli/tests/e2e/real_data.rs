//! The path on real input: Debian's fortunes, the breast-cancer table, and a pipeline of a real scikit-learn.
//!
//! Scripts in `examples/` fetch and train; what they make is kept in a cache folder and never committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{User, Who, eventually, everyone, repository};

/// Runs a script of `examples/`, which says on its last line where its result is.
fn example(script: &str) -> PathBuf {
    let output = Command::new("sh").arg(repository().join("examples").join(script)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(said.lines().last().unwrap())
}

/// Gives the user a copy of a file that is somebody else's.
fn copy(user: &User, file: &Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    let path = user.write(name, "");
    std::fs::copy(file, &path).unwrap();
    path
}

#[test]
fn the_whole_story_runs_on_real_texts() {
    example("fortunes/fetch.sh");
    let user = User::new(Who::Me);
    let said = user.pinnace_with(&["demo", "--data", "fortunes"], &cache());
    assert!(said.contains(", 0 failed"), "{said}");
    assert!(said.contains("ErrImagePull") || said.contains("ImagePullBackOff"), "{said}");
    assert!(!user.pinnace(&["status"]).contains("demo"), "the demo's cluster is gone");
}

/// The cache of the user who runs the tests, so that nothing is fetched twice.
fn cache() -> Vec<(String, String)> {
    let data = example("fortunes/fetch.sh");
    vec![("PINNACE_DATA".to_owned(), data.parent().unwrap().to_str().unwrap().to_owned())]
}

#[test]
fn a_table_of_numbers_becomes_a_model() {
    let user = User::new(Who::Me);
    let table = copy(&user, &example("breast_cancer/fetch.sh"));
    for (algorithm, least) in [("logistic", 0.93), ("tree", 0.85)] {
        let said = user.pinnace(&["train", &table, "--algorithm", algorithm, "-o", "m.model"]);
        let accuracy = said.lines().find_map(|line| line.strip_prefix("accuracy")).unwrap();
        let accuracy: f64 = accuracy.split_whitespace().next().unwrap().parse().unwrap();
        assert!(accuracy >= least, "{algorithm}: {said}");
    }
}

#[test]
fn a_pipeline_of_scikit_learn_predicts_the_same_in_a_pod() {
    let folder = example("sklearn/train.sh");
    let user = User::new(everyone()[0]);
    let reference = std::fs::read(folder.join("fortunes_lr.json")).unwrap();
    let reference: Value = serde_json::from_slice(&reference).unwrap();
    user.write("models/note.txt", "not a model\n");
    for (tag, file) in [("joblib", "fortunes_lr.joblib"), ("pickle", "fortunes_lr.pkl")] {
        std::fs::copy(folder.join(file), user.home().join("models").join(file)).unwrap();
        let argument = format!("MODEL_TO_USE={file}");
        user.pinnace(&["image", "build", "-t", &format!("sk:{tag}"), "--build-arg", &argument, "models"]);
    }
    user.up();
    for tag in ["joblib", "pickle"] {
        serve_and_compare(&user, tag, &reference);
    }
}

fn serve_and_compare(user: &User, tag: &str, reference: &Value) {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {tag}, labels: {{app: {tag}}}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: model\n    image: sk:{tag}\n    resources: {{limits: {{memory: 256Mi}}}}\n    readinessProbe: {{httpGet: {{path: /api/v1/ready, port: 8000}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {tag}}}\nspec: {{selector: {{app: {tag}}}, ports: [{{port: 80, targetPort: 8000}}]}}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {tag}}}\nspec:\n  rules:\n  - host: {tag}.localhost\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {tag}, port: {{number: 80}}}}}}}}]}}\n"
    );
    let path = user.write(&format!("{tag}.yaml"), &manifest);
    user.kubectl(&["apply", "-f", &path]);
    let host = format!("{tag}.localhost");
    eventually("the pipeline serves", || (user.get(&host, "/api/v1/ready").0 == 200).then_some(()));
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let list = |name: &str| reference[name].as_array().unwrap();
    let (texts, labels, expected) = (list("texts"), list("labels"), list("probabilities"));
    assert!(texts.len() >= 100);
    for from in (0..texts.len()).step_by(100) {
        let rows = from..(from + 100).min(texts.len());
        let body = user.write("body.json", &serde_json::json!({"texts": texts[rows.clone()]}).to_string());
        let data = format!("@{body}");
        let (status, answer) = user.curl(&["-H", &format!("Host: {host}"), "--data-binary", &data, &url]);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for (row, prediction) in rows.zip(answer["predictions"].as_array().unwrap()) {
            assert_eq!(prediction["label"], labels[row], "{}", texts[row]);
            for (class, probability) in list("classes").iter().zip(expected[row].as_array().unwrap()) {
                let ours = prediction["probabilities"][class.as_str().unwrap()].as_f64().unwrap();
                assert!(
                    (ours - probability.as_f64().unwrap()).abs() <= 1e-9,
                    "{class}: {ours} against {probability}"
                );
            }
        }
    }
}
