//! How apply sees a value: as one piece, as a map, or as a list with identities.

use serde_json::{Map, Value};

use crate::schema::{Field, Form, ListType, Shape, Type};

/// How a value is taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Structure {
    /// One piece.
    Leaf,
    /// Fields of a type.
    Fields(&'static Type),
    /// Free keys with values of a shape.
    FreeMap(&'static Shape),
    /// A list of distinct scalars.
    ScalarSet,
    /// A list whose items are told apart by keys.
    Keyed(&'static Field, &'static Type),
}

/// Why a list can't be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListFault {
    /// An item lacks a key that has no default.
    KeyAbsent { place: usize, key: String },
    /// Two items are the same.
    Duplicate { element: String },
}

impl Structure {
    /// Returns how an object of a type is taken apart.
    pub(super) fn of_type(one: &'static Type) -> Self {
        if one.form == Form::Fields && !one.atomic { Structure::Fields(one) } else { Structure::Leaf }
    }

    fn of_shape(shape: &'static Shape, field: Option<&'static Field>) -> Self {
        if field.is_some_and(|field| field.atomic) {
            return Structure::Leaf;
        }
        match shape {
            Shape::Ref(_) => shape.inner_type().map_or(Structure::Leaf, Self::of_type),
            Shape::Map(inner) => Structure::FreeMap(inner),
            Shape::List(inner) => match (field, field.map(|field| field.list), inner.inner_type()) {
                (_, Some(ListType::Set), _) => Structure::ScalarSet,
                (Some(field), Some(ListType::Map), Some(item)) => Structure::Keyed(field, item),
                _ => Structure::Leaf,
            },
            Shape::String
            | Shape::Bytes
            | Shape::Int32
            | Shape::Int64
            | Shape::Bool
            | Shape::Float
            | Shape::Object => Structure::Leaf,
        }
    }

    /// Returns how the value under a key is taken apart.
    pub(super) fn below(self, key: &str) -> Self {
        match self {
            Structure::Fields(one) => {
                one.field(key).map_or(Structure::Leaf, |field| Self::of_shape(&field.shape, Some(field)))
            }
            Structure::FreeMap(shape) => Self::of_shape(shape, None),
            Structure::Leaf | Structure::ScalarSet | Structure::Keyed(..) => Structure::Leaf,
        }
    }

    /// Returns how an item of a list is taken apart.
    pub(super) fn item(self) -> Self {
        match self {
            Structure::Keyed(_, item) => Self::of_type(item),
            Structure::Leaf | Structure::ScalarSet | Structure::Fields(_) | Structure::FreeMap(_) => {
                Structure::Leaf
            }
        }
    }

    /// Tells whether the key is a field of the type (free keys are not).
    pub(super) fn is_field(self, key: &str) -> bool {
        matches!(self, Structure::Fields(one) if one.field(key).is_some())
    }

    /// Returns the elements of a list with its items; of equal items the first.
    pub(super) fn items<'a>(self, list: &'a [Value]) -> Result<Vec<(String, &'a Value)>, ListFault> {
        let mut found: Vec<(String, &'a Value)> = Vec::with_capacity(list.len());
        for (place, item) in list.iter().enumerate() {
            let element = self.element(item).map_err(|key| ListFault::KeyAbsent { place, key })?;
            if !found.iter().any(|(known, _)| *known == element) {
                found.push((element, item));
            }
        }
        Ok(found)
    }

    /// Returns the first element that two items share.
    pub(super) fn duplicate(self, list: &[Value]) -> Option<ListFault> {
        let mut seen: Vec<String> = Vec::with_capacity(list.len());
        for item in list {
            let element = self.element(item).ok()?;
            if seen.contains(&element) {
                return Some(ListFault::Duplicate { element });
            }
            seen.push(element);
        }
        None
    }

    /// Returns an item's element; on failure the key it lacks.
    fn element(self, item: &Value) -> Result<String, String> {
        let Structure::Keyed(field, kind) = self else { return Ok(format!("v:{item}")) };
        let mut keys = Map::new();
        for key in field.list_keys.split(',') {
            let given = item.get(key).filter(|value| !value.is_null()).cloned();
            let default = || kind.field(key).and_then(|field| field.default).map(Value::from);
            keys.insert(key.to_owned(), given.or_else(default).ok_or_else(|| key.to_owned())?);
        }
        Ok(format!("k:{}", Value::Object(keys)))
    }
}

/// Returns the element of a field or key.
pub(super) fn field_element(key: &str) -> String {
    format!("f:{key}")
}
