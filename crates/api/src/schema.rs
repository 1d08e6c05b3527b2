//! Facts about every type: fields, types, required ones, merge keys. One source for decoding, patches, apply
//! and OpenAPI.
//!
//! The facts lie in `schema/types.txt`, which `schema/generate.py` writes; they are read at first use into
//! about half a megabyte whose texts all point into the program itself.

mod load;

use std::sync::OnceLock;

pub use load::load_error;

/// The facts of one type.
#[derive(Debug)]
pub struct Type {
    /// Its short name: `core.v1.Pod`, `meta.v1.ObjectMeta`.
    pub name: &'static str,
    /// What its JSON is.
    pub form: Form,
    /// Whether apply replaces it as a whole.
    pub atomic: bool,
    /// `group/version/Kind` for each kind it is.
    pub kinds: Vec<&'static str>,
    /// Its fields by name.
    pub fields: Vec<Field>,
}

/// What the JSON of a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An object with known fields.
    Fields,
    /// A quantity: a text or a number.
    Quantity,
    /// A number or a text.
    IntOrString,
    /// A timestamp with seconds.
    Time,
    /// A timestamp with microseconds.
    MicroTime,
    /// Anything.
    Any,
}

/// The facts of one field.
#[derive(Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Whether OpenAPI calls it required.
    pub required: bool,
    /// How its absence is written.
    pub emptiness: Emptiness,
    /// Strategic merge: the key of list items.
    pub merge_key: Option<&'static str>,
    /// Strategic merge: the strategies, `merge`, `retainKeys`, `merge,retainKeys`.
    pub strategy: &'static str,
    /// Apply: how a list is merged.
    pub list: ListType,
    /// Apply: the keys of a list map, separated by commas.
    pub list_keys: &'static str,
    /// Apply: a map replaced as a whole.
    pub atomic: bool,
    /// The value an absent list key stands for.
    pub default: Option<&'static str>,
    /// The Go type's name, where the shape doesn't tell.
    pub go_type: Option<&'static str>,
}

/// How apply merges a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Nothing is said: as a whole.
    Unsaid,
    /// As a whole.
    Atomic,
    /// As a set of scalars.
    Set,
    /// As a map by its keys.
    Map,
}

/// How the absence of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// It may be absent; its zero value is a value.
    Absent,
    /// It is always written.
    Keep,
    /// Its zero value is left out.
    DropZero,
    /// Its absence is written as null.
    Null,
}

/// The shape of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    String,
    /// Bytes in base64.
    Bytes,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A boolean.
    Bool,
    /// A number.
    Float,
    /// An object without known fields.
    Object,
    /// Another type, by its place in the schema.
    Ref(u16),
    /// A list.
    List(Box<Shape>),
    /// A map with text keys.
    Map(Box<Shape>),
}

impl Shape {
    /// Returns the type referred to, directly or as items of a list or map.
    pub fn inner_type(&self) -> Option<&'static Type> {
        match self {
            Shape::Ref(place) => Some(&types()[usize::from(*place)]),
            Shape::List(inner) | Shape::Map(inner) => inner.inner_type(),
            Shape::String
            | Shape::Bytes
            | Shape::Int32
            | Shape::Int64
            | Shape::Bool
            | Shape::Float
            | Shape::Object => None,
        }
    }
}

impl Field {
    /// Tells whether strategic merge merges the list or map instead of replacing it.
    pub fn merges(&self) -> bool {
        self.strategy.split(',').any(|one| one == "merge")
    }

    /// Tells whether strategic merge drops keys that a `$retainKeys` list doesn't name.
    pub fn retains_keys(&self) -> bool {
        self.strategy.split(',').any(|one| one == "retainKeys")
    }

    /// Returns the name of the Go type, as decoding errors word it.
    pub fn go_name(&self) -> String {
        self.go_type.map_or_else(|| go_name(&self.shape), str::to_owned)
    }
}

/// Returns the name of a shape's Go type, as decoding errors word it.
pub fn go_name(shape: &Shape) -> String {
    match shape {
        Shape::String => "string".to_owned(),
        Shape::Bytes => "[]uint8".to_owned(),
        Shape::Int32 => "int32".to_owned(),
        Shape::Int64 => "int64".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Float => "float64".to_owned(),
        Shape::Object => "map[string]interface {}".to_owned(),
        Shape::Ref(place) => types()[usize::from(*place)].go_name(),
        Shape::List(inner) => format!("[]{}", go_name(inner)),
        Shape::Map(inner) => format!("map[string]{}", go_name(inner)),
    }
}

impl Type {
    /// Finds a field by its name on the wire.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.cmp(name)).ok().map(|place| &self.fields[place])
    }

    /// Returns `Pod` for `core.v1.Pod`.
    pub fn base_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// Returns `v1.Pod` for `core.v1.Pod`.
    pub fn go_name(&self) -> String {
        let mut parts = self.name.rsplitn(3, '.');
        let base = parts.next().unwrap_or_default();
        parts.next().map_or_else(|| base.to_owned(), |package| format!("{package}.{base}"))
    }

    /// Returns the name of its OpenAPI definition, `io.k8s.api.core.v1.Pod`.
    pub fn definition(&self) -> String {
        let name = self.name;
        let group = name.split('.').next().unwrap_or_default();
        match group {
            "meta" => format!("io.k8s.apimachinery.pkg.apis.{name}"),
            "resource" => format!("io.k8s.apimachinery.pkg.api.{name}"),
            "intstr" => format!("io.k8s.apimachinery.pkg.util.{name}"),
            "runtime" | "version" => format!("io.k8s.apimachinery.pkg.{name}"),
            "apiextensions" => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
            "apiregistration" => format!("io.k8s.kube-aggregator.pkg.apis.{name}"),
            "metrics" => format!("io.k8s.metrics.pkg.apis.{name}"),
            _ => format!("io.k8s.api.{name}"),
        }
    }
}

/// Returns every type, by name.
pub fn types() -> &'static [Type] {
    static TYPES: OnceLock<Vec<Type>> = OnceLock::new();
    TYPES.get_or_init(|| load::load(include_str!("../schema/types.txt")))
}

/// Returns the type of a short name, `core.v1.Pod`.
pub fn named(name: &str) -> Option<&'static Type> {
    let types = types();
    types.binary_search_by(|one| one.name.cmp(name)).ok().map(|place| &types[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_facts_is_understood() {
        assert_eq!(load_error(include_str!("../schema/types.txt")), None);
    }

    #[test]
    fn facts_of_known_fields() {
        let spec = named("core.v1.ServiceSpec").unwrap();
        let ports = spec.field("ports").unwrap();
        assert_eq!(
            (ports.merge_key, ports.list, ports.list_keys),
            (Some("port"), ListType::Map, "port,protocol")
        );
        assert!(ports.merges());
        assert_eq!(ports.go_name(), "[]v1.ServicePort");
        assert_eq!(spec.field("type").unwrap().go_name(), "v1.ServiceType");
        assert_eq!(spec.definition(), "io.k8s.api.core.v1.ServiceSpec");
        assert!(spec.field("nonsense").is_none());
        let template = named("core.v1.PodSpec").unwrap().field("volumes").unwrap();
        assert!(template.merges() && template.retains_keys());
    }

    #[test]
    fn every_reference_leads_to_a_type() {
        for one in types() {
            for field in &one.fields {
                let _ = field.shape.inner_type();
            }
            assert_eq!(named(one.name).map(|found| found.name), Some(one.name));
        }
    }
}
