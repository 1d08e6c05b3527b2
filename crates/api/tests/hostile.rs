//! Whatever comes in, nothing panics, and the rules that hold for every kind hold.
//!
//! Objects are drawn along the schema, with wrong turns, from seeds: a failure names its seed.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use api::apply::{self, Manager};
use api::decode::{self, FieldValidation};
use api::patch;
use api::resource::{Registry, Resource};
use api::schema::{Form, Shape, Type};
use serde_json::{Map, Value, json};

/// Objects drawn per kind.
const ROUNDS: u64 = 60;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

const TEXTS: [&str; 24] = [
    "",
    "a",
    "web",
    "x:1",
    "TCP",
    "UDP",
    "Always",
    "Never",
    "10.0.0.1",
    "None",
    "25%",
    "100m",
    "1Gi",
    "-1",
    "/",
    "..",
    "я",
    "a b",
    "ClusterIP",
    "NodePort",
    "RollingUpdate",
    "2026-11-20T08:00:00Z",
    "$patch",
    "YQ==",
];

/// Draws a value of a shape; now and then one of a wrong type.
fn draw(rng: &mut Rng, shape: &Shape, depth: u32) -> Value {
    if rng.one_in(60) {
        return anything(rng, 2);
    }
    match shape {
        Shape::String | Shape::Bytes => rng.pick(&TEXTS).into(),
        Shape::Int32 | Shape::Int64 => {
            let small = i64::try_from(rng.below(200)).unwrap() - 20;
            if rng.one_in(20) { i64::MAX.into() } else { small.into() }
        }
        Shape::Bool => rng.one_in(2).into(),
        Shape::Float => 1.5.into(),
        Shape::Object => json!({}),
        Shape::Ref(_) => draw_type(rng, shape.inner_type().unwrap(), depth),
        Shape::List(inner) => (0..rng.below(3)).map(|_| draw(rng, inner, depth)).collect(),
        Shape::Map(inner) => {
            let count = rng.below(3);
            Value::Object(
                (0..count).map(|_| (rng.pick(&TEXTS).to_owned(), draw(rng, inner, depth))).collect(),
            )
        }
    }
}

fn draw_type(rng: &mut Rng, kind: &Type, depth: u32) -> Value {
    match kind.form {
        Form::Quantity => rng.pick(&["1", "100m", "1Gi", "0", "-5", "1e3"]).into(),
        Form::IntOrString => {
            if rng.one_in(2) {
                3.into()
            } else {
                rng.pick(&["25%", "http", "150%"]).into()
            }
        }
        Form::Time | Form::MicroTime => "2026-11-20T08:00:00Z".into(),
        Form::Any => anything(rng, 2),
        Form::Fields => {
            let mut map = Map::new();
            for field in &kind.fields {
                let chances = if field.required { 1 } else { 3 + u64::from(depth) * 2 };
                if depth < 9 && rng.one_in(chances) {
                    map.insert(field.name.to_owned(), draw(rng, &field.shape, depth + 1));
                }
            }
            if rng.one_in(40) {
                map.insert("unknown".to_owned(), anything(rng, 1));
            }
            Value::Object(map)
        }
    }
}

fn anything(rng: &mut Rng, depth: u32) -> Value {
    match rng.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => rng.one_in(2).into(),
        2 => rng.next().into(),
        3 => (-1.5e300).into(),
        4 => rng.pick(&TEXTS).into(),
        5 => (0..rng.below(3)).map(|_| anything(rng, depth - 1)).collect(),
        _ => {
            let count = rng.below(3);
            Value::Object(
                (0..count).map(|_| (rng.pick(&TEXTS).to_owned(), anything(rng, depth - 1))).collect(),
            )
        }
    }
}

fn object(rng: &mut Rng, resource: &Resource) -> Value {
    let mut value = draw_type(rng, resource.schema().unwrap(), 0);
    if let Some(map) = value.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
        if !rng.one_in(10) {
            map.insert("metadata".to_owned(), json!({"name": "x", "namespace": "n", "labels": {"a": "b"}}));
        }
    }
    value
}

fn each(mut check: impl FnMut(&mut Rng, &'static Resource)) {
    for (place, resource) in Registry::builtin().iter().enumerate() {
        for round in 0..ROUNDS {
            let seed = place as u64 * 1_000 + round;
            let run = std::panic::AssertUnwindSafe(|| check(&mut Rng(seed), resource));
            let outcome = std::panic::catch_unwind(run);
            assert!(outcome.is_ok(), "seed {seed} of {}", resource.kind);
        }
    }
}

fn manager(name: &str) -> Manager<'_> {
    Manager { name, subresource: "", now: "2026-11-20T08:00:00Z".parse().unwrap() }
}

#[test]
fn decoding_is_idempotent() {
    each(|rng, resource| {
        let value = object(rng, resource);
        let Ok(once) = decode::check(resource, value, FieldValidation::Ignore) else { return };
        let twice = decode::check(resource, once.object.clone(), FieldValidation::Strict).unwrap();
        assert_eq!(twice.object, once.object);
    });
}

#[test]
fn preparing_judging_and_printing_never_panic() {
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    each(|rng, resource| {
        let Ok(decoded) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut new = decoded.object;
        resource.prepare_create(&mut new);
        let _ = (resource.validate(&new), resource.warnings(&new));
        let Ok(other) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut changed = other.object;
        resource.prepare_update(&mut changed, &new);
        let _ = resource.validate_update(&changed, &new);
        let mut status = changed.clone();
        resource.prepare_status(&mut status, &new);
        let _ = resource.validate_status(&status, &new);
        assert_eq!((resource.printer.row)(&changed, now).len(), resource.printer.columns.len());
        let _ = resource.from_storage(resource.to_storage(changed));
    });
}

#[test]
fn defaulting_is_idempotent() {
    each(|rng, resource| {
        let Ok(decoded) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut once = decoded.object;
        resource.default(&mut once);
        let mut twice = once.clone();
        resource.default(&mut twice);
        assert_eq!(once, twice);
    });
}

#[test]
fn an_unchanged_update_changes_nothing() {
    each(|rng, resource| {
        let Ok(decoded) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut old = decoded.object;
        old["metadata"] = json!({"name": "x", "namespace": "n", "uid": "u"});
        resource.prepare_create(&mut old);
        let mut new = old.clone();
        resource.prepare_update(&mut new, &old);
        assert_eq!(new, old);
    });
}

#[test]
fn patches_of_all_kinds_never_panic() {
    each(|rng, resource| {
        let (target, source) = (object(rng, resource), object(rng, resource));
        let mut merged = target.clone();
        patch::merge_patch(&mut merged, source.clone());
        let mut merged = target.clone();
        let _ = patch::strategic_merge(resource, &mut merged, source);
        let mut merged = target;
        let operations: Vec<Value> = (0..5)
            .map(|_| {
                let path = rng.pick(&[
                    "",
                    "/",
                    "/spec",
                    "/spec/template",
                    "/metadata/labels/a",
                    "/spec/ports/0",
                    "/spec/-",
                ]);
                let op = rng.pick(&["add", "remove", "replace", "move", "copy", "test", "?"]);
                json!({"op": op, "path": path, "from": "/metadata", "value": anything(rng, 2)})
            })
            .collect();
        let _ = patch::json_patch(&mut merged, Value::from(operations).to_string().as_bytes());
    });
}

#[test]
fn a_strategic_merge_with_itself_keeps_maps() {
    each(|rng, resource| {
        let value = json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["x/y"]}});
        let _ = rng;
        let mut merged = value.clone();
        patch::strategic_merge(resource, &mut merged, value.clone()).unwrap();
        assert_eq!(merged, value);
    });
}

#[test]
fn applying_twice_is_applying_once() {
    each(|rng, resource| {
        let Ok(decoded) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut live = decoded.object;
        if let Some(metadata) = live["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        apply::track_update(resource, None, &mut live, manager("first"));
        let Ok(applied) = decode::check(resource, object(rng, resource), FieldValidation::Ignore) else {
            return;
        };
        let mut applied = applied.object;
        if let Some(metadata) = applied["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let run = |live: &Value| apply::apply_as_written(resource, Some(live), &applied, manager("me"), true);
        let Ok(once) = run(&live) else { return };
        let twice = run(&once).unwrap();
        assert_eq!(twice, once);
    });
}

#[test]
fn deep_and_broken_bodies_are_refused() {
    let pods = Registry::builtin().by_kind("", "v1", "Pod").unwrap();
    let deep = format!("{}1{}", "{\"spec\":".repeat(50_000), "}".repeat(50_000));
    for body in [deep.as_str(), "{", "[]", "\"", "{\"a\":1}{", "nul", "{\"spec\":{\"containers\":[{]}}"] {
        assert_eq!(
            decode::decode(pods, body.as_bytes(), FieldValidation::Strict).unwrap_err().code,
            400,
            "{body:.20}"
        );
    }
    let mut rng = Rng(7);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..rng.below(40)).map(|_| rng.next().to_le_bytes()[0]).collect();
        assert!(decode::decode(pods, &bytes, FieldValidation::Strict).is_err());
    }
}

#[test]
fn texts_of_every_grammar_never_panic() {
    let mut rng = Rng(11);
    for _ in 0..20_000 {
        let text: String = (0..rng.below(12))
            .map(|_| {
                rng.pick(&[
                    "a", "=", "!", ",", "(", ")", " in ", "é", "\\", "/", "1", "m", "Ki", ".", "-", "e", "*",
                    "@",
                ])
            })
            .collect();
        let _ = api::selector::LabelSelector::parse(&text);
        let _ = api::selector::FieldSelector::parse(&text);
        let _ = api::cron::parse(&text);
        if let Ok(quantity) = text.parse::<api::quantity::Quantity>() {
            let again: api::quantity::Quantity = quantity.to_string().parse().unwrap();
            assert_eq!(again, quantity, "{text}");
        }
        let _ = api::names::generate(&text, rng.next());
        let _ = (api::names::qualified_name_errors(&text), api::names::dns_subdomain_errors(&text));
    }
}
