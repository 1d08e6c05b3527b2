//! What a model takes and gives, as every protocol tells it in its own words.

use std::collections::HashMap;

use engine::{InputKind, Label, Model, Reads};

/// What a model takes and gives.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The columns in the model's order; one of kind [`ColumnKind::Text`] for a model of texts.
    pub columns: Vec<Column>,
    /// Whether the model's file names the columns; else their names are made up: `x0`, `x1`, ….
    pub is_named: bool,
    /// Whether all columns are numbers: then rows are a matrix.
    pub is_numeric: bool,
    /// What it gives for a row.
    pub outputs: Vec<Output>,
    places: HashMap<String, usize>,
}

/// One column of what a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Names of categories.
    Word,
    /// Texts to be cut into words.
    Text,
    /// Numbers or words.
    Either,
}

/// One thing a model says of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// One of these classes.
    Classes(Vec<Label>),
    /// A number.
    Number,
}

impl Signature {
    /// The signature of a model.
    pub fn of(model: &Model) -> Self {
        let (kinds, names) = match model.input() {
            InputKind::Text => (vec![ColumnKind::Text], model.columns().to_vec()),
            InputKind::Numbers { count, names } => (vec![ColumnKind::Number; count], names),
            InputKind::Cells { count, names } => (kinds(model, count), names),
        };
        let is_text = model.input() == InputKind::Text;
        let is_named = is_text || (names.len() == kinds.len() && !names.is_empty());
        let name = |place: usize| match names.get(place) {
            Some(name) => name.clone(),
            None if is_text => "text".to_owned(),
            None => format!("x{place}"),
        };
        let columns: Vec<Column> =
            kinds.iter().enumerate().map(|(place, &kind)| Column { name: name(place), kind }).collect();
        let outputs = match model.numbers() {
            0 => model.labels().into_iter().map(|labels| Output::Classes(labels.to_vec())).collect(),
            count => vec![Output::Number; count],
        };
        Signature::new(columns, is_named, outputs)
    }

    pub(crate) fn new(columns: Vec<Column>, is_named: bool, outputs: Vec<Output>) -> Self {
        let is_numeric = columns.iter().all(|column| column.kind == ColumnKind::Number);
        let mut places: HashMap<String, usize> =
            columns.iter().enumerate().map(|(place, column)| (column.name.clone(), place)).collect();
        let mut signature = Signature { columns, is_named, is_numeric, outputs, places: HashMap::new() };
        if signature.is_text() {
            places.insert("text".to_owned(), 0);
        }
        signature.places = places;
        signature
    }

    /// Whether the model takes one text a row.
    pub fn is_text(&self) -> bool {
        matches!(self.columns.as_slice(), [Column { kind: ColumnKind::Text, .. }]) && !self.is_numeric
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Where a column is. Callers that read names in order do best to try the next column first.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The classes of the first output; none if the model predicts numbers.
    pub fn classes(&self) -> &[Label] {
        match self.outputs.first() {
            Some(Output::Classes(labels)) => labels,
            Some(Output::Number) | None => &[],
        }
    }
}

fn kinds(model: &Model, count: usize) -> Vec<ColumnKind> {
    let kind = |reads: &Reads| match reads {
        Reads::Number => ColumnKind::Number,
        Reads::Word => ColumnKind::Word,
        Reads::Text => ColumnKind::Text,
        Reads::Either => ColumnKind::Either,
    };
    let found: Vec<ColumnKind> = model.reads().iter().map(kind).collect();
    if found.len() == count { found } else { vec![ColumnKind::Either; count] }
}
