//! Reads the few fields of an object that a selector looks at, without building the rest.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Which fields are wanted: of each object on the way all plain values, and these below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picker {
    below: BTreeMap<String, Picker>,
}

impl Picker {
    /// Returns a picker of these dotted paths and the plain values beside them.
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for name in path.split('.') {
                node = node.below.entry(name.to_owned()).or_default();
            }
        }
        root
    }

    /// Reads the wanted fields of a JSON object.
    pub(crate) fn pick(&self, json: &[u8]) -> serde_json::Result<Value> {
        self.deserialize(&mut serde_json::Deserializer::from_slice(json))
    }
}

impl<'de> DeserializeSeed<'de> for &Picker {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Picker {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut picked = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            match self.below.get(&name) {
                Some(below) => drop(picked.insert(name, fields.next_value_seed(below)?)),
                None => {
                    let plain = fields.next_value_seed(Plain)?;
                    if !plain.is_null() {
                        picked.insert(name, plain);
                    }
                }
            }
        }
        Ok(Value::Object(picked))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Value, E> {
        Ok(Value::from(is))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Reads a text, number or boolean; of anything else nothing.
struct Plain;

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Value, E> {
        Ok(Value::from(is))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_lies_on_the_way_is_read() {
        let object = json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}, "managedFields": [{"x": 1}]},
            "spec": {"nodeName": "n", "priority": 0, "hostNetwork": true, "containers": [{"name": "c"}], "deep": {"x": {"y": 1}}},
            "status": {"phase": "Running", "ratio": 0.5, "nothing": null, "conditions": [1, [2], {"a": "b"}]}});
        let picker = Picker::new(["metadata.labels", "spec.nodeName", "status.phase"]);
        assert_eq!(
            picker.pick(object.to_string().as_bytes()).unwrap(),
            json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}},
                "spec": {"nodeName": "n", "priority": 0, "hostNetwork": true}, "status": {"phase": "Running", "ratio": 0.5}})
        );
        assert!(picker.pick(b"{").is_err());
    }
}
