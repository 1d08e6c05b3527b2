//! Decides what to open and what to let go: a pure function of what is served and what is on the disk.

use std::collections::BTreeMap;

use super::Table;
use super::folder::Found;

/// One change to what is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Open a version, or open it anew.
    Open { model: String, version: String },
    /// Look again: its files are still changing.
    Wait { model: String, version: String },
    /// Let go of a version that is not on the disk any more.
    Drop { model: String, version: String },
}

/// What is to be done; nothing when all is as it was.
///
/// Files are opened once they were the same at two looks, so that one that is being written is not opened by halves.
pub(super) fn plan(table: &Table, found: &BTreeMap<String, Found>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, model) in found {
        let entry = table.models.get(name);
        for (version, (_, stamp)) in &model.versions {
            let slot = entry.and_then(|entry| entry.versions.get(version));
            let (model, version) = (name.clone(), version.clone());
            match slot {
                Some(slot) if slot.is_shut || slot.stamp == *stamp => {}
                Some(slot) if slot.seen == *stamp => steps.push(Step::Open { model, version }),
                Some(_) | None => steps.push(Step::Wait { model, version }),
            }
        }
    }
    for (name, entry) in &table.models {
        for version in entry.versions.keys() {
            let is_there = found.get(name).is_some_and(|model| model.versions.contains_key(version));
            if !is_there {
                steps.push(Step::Drop { model: name.clone(), version: version.clone() });
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::folder::Stamp;
    use crate::repository::{Entry, Slot};

    fn stamp(length: u64) -> Stamp {
        vec![("file".into(), length, None)]
    }

    fn found(versions: &[(&str, u64)]) -> BTreeMap<String, Found> {
        let versions = versions
            .iter()
            .map(|(version, length)| ((*version).to_owned(), ("file".into(), stamp(*length))))
            .collect();
        BTreeMap::from([("lr".to_owned(), Found { versions, ..Found::default() })])
    }

    fn table(slots: &[(&str, u64, u64)]) -> Table {
        let slot = |(version, opened, seen): &(&str, u64, u64)| {
            let slot = Slot { stamp: stamp(*opened), seen: stamp(*seen), ..Slot::default() };
            ((*version).to_owned(), slot)
        };
        let entry = Entry { versions: slots.iter().map(slot).collect(), ..Entry::default() };
        Table { models: BTreeMap::from([("lr".to_owned(), entry)]) }
    }

    fn open(version: &str) -> Step {
        Step::Open { model: "lr".to_owned(), version: version.to_owned() }
    }

    fn wait(version: &str) -> Step {
        Step::Wait { model: "lr".to_owned(), version: version.to_owned() }
    }

    #[test]
    fn what_changed_is_opened_once_it_has_settled() {
        assert_eq!(plan(&table(&[("1", 5, 5)]), &found(&[("1", 5)])), []);
        assert_eq!(plan(&table(&[("1", 5, 5)]), &found(&[("1", 6)])), [wait("1")]);
        assert_eq!(plan(&table(&[("1", 5, 6)]), &found(&[("1", 6)])), [open("1")]);
        assert_eq!(plan(&table(&[("1", 5, 6)]), &found(&[("1", 7)])), [wait("1")]);
        assert_eq!(plan(&table(&[("1", 5, 5)]), &found(&[("1", 5), ("2", 9)])), [wait("2")]);
    }

    #[test]
    fn what_is_gone_is_dropped_and_what_was_shut_stays_shut() {
        let dropped = Step::Drop { model: "lr".to_owned(), version: "1".to_owned() };
        assert_eq!(plan(&table(&[("1", 5, 5), ("2", 5, 5)]), &found(&[("2", 5)])), [dropped]);
        let mut shut = table(&[("1", 5, 6)]);
        shut.models.get_mut("lr").unwrap().versions.get_mut("1").unwrap().is_shut = true;
        assert_eq!(plan(&shut, &found(&[("1", 6)])), []);
    }
}
