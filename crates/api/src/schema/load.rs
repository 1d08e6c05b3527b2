//! Reading `types.txt`.

use super::{Emptiness, Field, Form, ListType, Shape, Type};

/// Reads the facts; a line that is not understood is left out (see [`load_error`]).
pub(super) fn load(text: &'static str) -> Vec<Type> {
    let names = names(text);
    let mut types: Vec<Type> = Vec::with_capacity(names.len());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("T ") {
            types.extend(type_of(rest));
        } else if let Some(rest) = line.strip_prefix(' ')
            && let (Some(owner), Some(field)) = (types.last_mut(), field_of(rest, &names))
        {
            owner.fields.push(field);
        }
    }
    for one in &mut types {
        one.fields.sort_by_key(|field| field.name);
        one.fields.shrink_to_fit();
    }
    types
}

/// Returns the first line of the facts that is not understood; a test asserts that there is none.
pub fn load_error(text: &'static str) -> Option<&'static str> {
    let names = names(text);
    if !names.is_sorted() {
        return Some("the types are not sorted by name");
    }
    text.lines().find(|line| {
        let understood = match line.split_at_checked(1) {
            Some(("#", _)) => true,
            Some(("T", rest)) => type_of(rest).is_some(),
            Some((" ", rest)) => field_of(rest, &names).is_some(),
            Some(_) | None => false,
        };
        !understood
    })
}

fn names(text: &'static str) -> Vec<&'static str> {
    text.lines().filter_map(|line| line.strip_prefix("T ")?.split_whitespace().next()).collect()
}

fn type_of(rest: &'static str) -> Option<Type> {
    let mut words = rest.split_whitespace();
    let name = words.next()?;
    let mut found = Type { name, form: Form::Fields, atomic: false, kinds: Vec::new(), fields: Vec::new() };
    for word in words {
        match word {
            "atomic" => found.atomic = true,
            "=quantity" => found.form = Form::Quantity,
            "=intOrString" => found.form = Form::IntOrString,
            "=time" => found.form = Form::Time,
            "=microTime" => found.form = Form::MicroTime,
            "=any" => found.form = Form::Any,
            kind if kind.contains('/') => found.kinds.push(kind),
            _ => return None,
        }
    }
    Some(found)
}

fn field_of(rest: &'static str, names: &[&'static str]) -> Option<Field> {
    let mut words = rest.split_whitespace();
    let name = words.next()?;
    let mut field = Field {
        name,
        shape: shape_of(words.next()?, names)?,
        required: false,
        emptiness: Emptiness::Absent,
        merge_key: None,
        strategy: "",
        list: ListType::Unsaid,
        list_keys: "",
        atomic: false,
        default: None,
        go_type: None,
    };
    for word in words {
        match word.split_once('=') {
            None => match word {
                "!" => field.required = true,
                "k" => field.emptiness = Emptiness::Keep,
                "0" => field.emptiness = Emptiness::DropZero,
                "n" => field.emptiness = Emptiness::Null,
                "a" => field.atomic = true,
                _ => return None,
            },
            Some(("m", key)) => field.merge_key = Some(key),
            Some(("p", strategy)) => field.strategy = strategy,
            Some(("l", "map")) => field.list = ListType::Map,
            Some(("l", "set")) => field.list = ListType::Set,
            Some(("l", "atomic")) => field.list = ListType::Atomic,
            Some(("x", keys)) => field.list_keys = keys,
            Some(("d", value)) => field.default = Some(value),
            Some(("g", go)) => field.go_type = Some(go),
            Some(_) => return None,
        }
    }
    Some(field)
}

fn shape_of(code: &str, names: &[&'static str]) -> Option<Shape> {
    if let Some(inner) = code.strip_prefix('[') {
        return Some(Shape::List(Box::new(shape_of(inner, names)?)));
    }
    if let Some(inner) = code.strip_prefix('{') {
        return Some(Shape::Map(Box::new(shape_of(inner, names)?)));
    }
    if let Some(name) = code.strip_prefix('@') {
        return Some(Shape::Ref(u16::try_from(names.binary_search(&name).ok()?).ok()?));
    }
    Some(match code {
        "s" => Shape::String,
        "y" => Shape::Bytes,
        "i" => Shape::Int32,
        "l" => Shape::Int64,
        "b" => Shape::Bool,
        "f" => Shape::Float,
        "o" => Shape::Object,
        _ => return None,
    })
}
