//! A labelled table, read from CSV.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use super::DataError;
use crate::{Input, Label};

/// Which columns of a CSV table to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The text column; without one, every other column is a numeric feature.
    pub text: Option<String>,
    /// The column of the class.
    pub label: String,
}

/// A labelled table read into memory.
#[derive(Debug)]
pub struct Dataset {
    source: Source,
    targets: Vec<u32>,
    classes: Vec<Label>,
}

/// What there is to learn from.
#[derive(Debug)]
pub(super) enum Source {
    Texts(Vec<String>),
    /// Row after row, a value per name.
    Numbers {
        names: Vec<String>,
        values: Vec<f64>,
    },
}

impl Dataset {
    /// Reads a CSV table with a header line.
    ///
    /// Fields are separated by commas, or by semicolons or tabs when only so the header has the
    /// label column. Labels that are all integers become integers, all numbers numbers.
    ///
    /// # Errors
    /// Names the column that is missing and those at hand, or the line that could not be read.
    pub fn read_csv(path: &Path, columns: &Columns) -> Result<Self, DataError> {
        let read_error = |source| DataError::Read { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(read_error)?);
        let delimiter = delimiter(&mut file, &columns.label).map_err(read_error)?;
        let reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file);
        Table { path, columns }.read(reader)
    }

    /// Makes a dataset of texts and their labels, which are as many.
    pub fn from_texts(texts: Vec<String>, labels: &[String]) -> Self {
        debug_assert_eq!(texts.len(), labels.len());
        let (classes, targets) = classes_of(labels);
        Dataset { source: Source::Texts(texts), targets, classes }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.targets.len()
    }

    /// The classes, sorted: numbers by value, words by code points.
    pub fn classes(&self) -> &[Label] {
        &self.classes
    }

    /// The input of a row, as a model fitted to this table takes it.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn input(&self, row: usize) -> Input {
        match &self.source {
            Source::Texts(texts) => Input::Text(texts[row].clone()),
            Source::Numbers { names, values } => {
                Input::Row(values[row * names.len()..(row + 1) * names.len()].to_vec())
            }
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The position in `classes` of each row's label.
    pub(super) fn targets(&self) -> &[u32] {
        &self.targets
    }
}

/// The separator with which the header line has the label column; a comma if none does.
fn delimiter(file: &mut BufReader<File>, label: &str) -> std::io::Result<u8> {
    let mut header = Vec::new();
    file.read_until(b'\n', &mut header)?;
    file.rewind()?;
    let header = String::from_utf8_lossy(&header);
    let has_label = |separator: char| {
        let mut fields = header.trim_start_matches('\u{feff}').split(separator);
        fields.any(|field| field.trim().trim_matches('"') == label)
    };
    let found = [',', ';', '\t'].into_iter().find(|&separator| has_label(separator));
    Ok(match found {
        Some(';') => b';',
        Some('\t') => b'\t',
        _ => b',',
    })
}

/// A table being read, for its errors.
struct Table<'a> {
    path: &'a Path,
    columns: &'a Columns,
}

impl Table<'_> {
    fn read(&self, mut reader: csv::Reader<BufReader<File>>) -> Result<Dataset, DataError> {
        let header = reader.headers().map_err(|error| self.csv_error(error))?.clone();
        let names: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        if names.is_empty() {
            return Err(DataError::Empty { path: self.path.to_owned() });
        }
        let label = self.position(&names, &self.columns.label)?;
        let mut labels = Vec::new();
        let source = match &self.columns.text {
            Some(text) => {
                let text = self.position(&names, text)?;
                self.read_texts(reader, text, label, &mut labels)?
            }
            None => self.read_numbers(reader, &names, label, &mut labels)?,
        };
        if labels.is_empty() {
            return Err(DataError::Empty { path: self.path.to_owned() });
        }
        let (classes, targets) = classes_of(&labels);
        Ok(Dataset { source, targets, classes })
    }

    fn read_texts(
        &self,
        mut reader: csv::Reader<BufReader<File>>,
        text: usize,
        label: usize,
        labels: &mut Vec<String>,
    ) -> Result<Source, DataError> {
        if text == label {
            return Err(self.no_features());
        }
        let mut texts = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| self.csv_error(error))?;
            labels.push(self.label(&record, label)?);
            texts.push(record[text].to_owned());
        }
        Ok(Source::Texts(texts))
    }

    fn read_numbers(
        &self,
        mut reader: csv::Reader<BufReader<File>>,
        names: &[String],
        label: usize,
        labels: &mut Vec<String>,
    ) -> Result<Source, DataError> {
        if names.len() < 2 {
            return Err(self.no_features());
        }
        let mut values = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| self.csv_error(error))?;
            labels.push(self.label(&record, label)?);
            for (position, field) in record.iter().enumerate().filter(|(position, _)| *position != label) {
                let number = field.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                values.push(number.ok_or_else(|| self.not_a_number(&record, &names[position], field))?);
            }
        }
        let mut names = names.to_vec();
        names.remove(label);
        Ok(Source::Numbers { names, values })
    }

    fn position(&self, names: &[String], column: &str) -> Result<usize, DataError> {
        names.iter().position(|name| name == column).ok_or_else(|| DataError::NoColumn {
            path: self.path.to_owned(),
            column: column.to_owned(),
            at_hand: at_hand(names),
        })
    }

    fn label(&self, record: &csv::StringRecord, label: usize) -> Result<String, DataError> {
        match record[label].trim() {
            "" => Err(DataError::NoLabel {
                path: self.path.to_owned(),
                line: line_of(record.position()),
                column: self.columns.label.clone(),
            }),
            word => Ok(word.to_owned()),
        }
    }

    fn no_features(&self) -> DataError {
        DataError::NoFeatures { path: self.path.to_owned(), label: self.columns.label.clone() }
    }

    fn not_a_number(&self, record: &csv::StringRecord, column: &str, field: &str) -> DataError {
        DataError::NotANumber {
            path: self.path.to_owned(),
            line: line_of(record.position()),
            column: column.to_owned(),
            value: field.chars().take(40).collect(),
        }
    }

    fn csv_error(&self, error: csv::Error) -> DataError {
        let path = self.path.to_owned();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => DataError::Read { path, source },
            csv::ErrorKind::Utf8 { pos, .. } => DataError::NotUtf8 { path, line: line_of(pos.as_ref()) },
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                DataError::Fields { path, line: line_of(pos.as_ref()), expected: expected_len, given: len }
            }
            // the remaining kinds belong to seeking, serde and writing
            other => DataError::Read { path, source: std::io::Error::other(format!("{other:?}")) },
        }
    }
}

fn line_of(position: Option<&csv::Position>) -> u64 {
    position.map_or(1, csv::Position::line)
}

/// The first columns of a header, in backticks.
fn at_hand(names: &[String]) -> String {
    /// More would bury the message.
    const SHOWN: usize = 20;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// The sorted classes, and for each label its position among them.
fn classes_of(labels: &[String]) -> (Vec<Label>, Vec<u32>) {
    let distinct: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
    let mut classes: Vec<(Label, &str)> =
        distinct.iter().map(|word| (Label::Text((*word).to_owned()), *word)).collect();
    if let Some(integers) = parsed::<i64>(&distinct) {
        classes = integers.into_iter().map(|(value, word)| (Label::Int(value), word)).collect();
    } else if let Some(numbers) = parsed::<f64>(&distinct) {
        classes = numbers.into_iter().map(|(value, word)| (Label::Float(value), word)).collect();
    }
    let positions: HashMap<&str, u32> =
        (0u32..).zip(&classes).map(|(position, (_, word))| (*word, position)).collect();
    let targets = labels.iter().map(|label| positions[label.as_str()]).collect();
    (classes.into_iter().map(|(label, _)| label).collect(), targets)
}

/// All words as numbers in ascending order, if they all are finite numbers, each spelled once.
fn parsed<'a, N>(words: &BTreeSet<&'a str>) -> Option<Vec<(N, &'a str)>>
where
    N: std::str::FromStr + PartialOrd + Copy,
{
    let mut numbers =
        words.iter().map(|word| Some((word.parse::<N>().ok()?, *word))).collect::<Option<Vec<_>>>()?;
    // `1` and `01` are two words of one number, NaN is not comparable: both stay words
    numbers.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    numbers.windows(2).all(|pair| pair[0].0 < pair[1].0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], text: Option<&str>) -> Result<Dataset, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let columns = Columns { text: text.map(str::to_owned), label: "label".to_owned() };
        let read = Dataset::read_csv(file.path(), &columns);
        read.map_err(|error| error.to_string().replace(&file.path().display().to_string(), "t.csv"))
    }

    fn check_error(content: &[u8], text: Option<&str>, expected: &str) {
        assert_eq!(read(content, text).unwrap_err(), expected);
    }

    #[test]
    fn texts_and_labels_come_by_the_columns_names() {
        let dataset = read("label,id,text\nб,1,\"раз, два\"\nа,2,три\n".as_bytes(), Some("text")).unwrap();
        assert_eq!(dataset.rows(), 2);
        assert_eq!(dataset.classes(), [Label::Text("а".into()), Label::Text("б".into())]);
        assert_eq!(dataset.targets(), [1, 0]);
        assert_eq!(dataset.input(0), Input::from("раз, два"));
    }

    #[test]
    fn integer_labels_sort_by_value_and_separators_are_found_out() {
        let dataset = read("\u{feff}a;label\n1,5;10\n".replace("1,5", "1.5").as_bytes(), None).unwrap();
        assert_eq!(dataset.classes(), [Label::Int(10)]);
        assert_eq!(dataset.input(0), Input::Row(vec![1.5]));
        let dataset = read(b"label\tb\n10\t1\n9\t2\n-1\t3\n", None).unwrap();
        assert_eq!(dataset.classes(), [Label::Int(-1), Label::Int(9), Label::Int(10)]);
    }

    #[test]
    fn bad_tables_say_what_is_wrong_and_where() {
        check_error(b"a,b\n1,2\n", None, "table `t.csv` has no column `label`: its columns are `a`, `b`");
        check_error(b"", None, "table `t.csv` has no rows below its header line");
        check_error(b"a,label\n", None, "table `t.csv` has no rows below its header line");
        check_error(b"a,label\n1,2\n3\n", None, "line 3 of table `t.csv` has 1 fields, its header has 2");
        check_error(
            b"text,label\nx,1\n\xff\xfe,1\n",
            Some("text"),
            "line 3 of table `t.csv` is not UTF-8: convert the file, e.g. with `iconv -t UTF-8`",
        );
        check_error(b"a,label\n1,\n", None, "line 2 of table `t.csv` has no label in column `label`");
        check_error(
            b"a,label\nx,1\n",
            None,
            "line 2 of table `t.csv` has `x` in column `a`, which is not a number (name a text column to learn from a text)",
        );
        check_error(
            b"label\n1\n",
            None,
            "table `t.csv` leaves no column to learn from beside the label `label`",
        );
    }
}
