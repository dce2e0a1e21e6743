//! Records: named facts, whose reading is noted.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Fact, Failure, Watch};
use crate::evaluation::FactRead;
use crate::shared_text::SharedText;
use crate::suggest;

thread_local! {
    static MASKED_READ: Cell<bool> = const { Cell::new(false) };
}

/// Forgets that this thread read a masked fact.
pub(crate) fn forget_masked_reads() {
    MASKED_READ.set(false);
}

/// Notes that this thread read a masked fact.
pub(crate) fn note_masked_read() {
    MASKED_READ.set(true);
}

/// Whether this thread read a masked fact since it was last forgotten: what came of it may tell its value.
pub(crate) fn has_read_masked() -> bool {
    MASKED_READ.get()
}

/// Named values. Reading a name it does not have is an error, not nothing.
#[derive(Debug, Clone)]
pub(crate) struct Record(Arc<RecordData>);

#[derive(Debug)]
struct RecordData {
    layout: Arc<Layout>,
    /// One for each field of the layout.
    slots: Vec<Slot>,
    /// One for each derived fact of the layout, once they are computed.
    derived: OnceLock<Vec<Slot>>,
}

/// The names of a record's fields: one layout for all records that the schema describes in one place.
#[derive(Debug)]
pub(crate) struct Layout {
    /// How messages call the record: `order.customer`, `order.items[]`.
    path: Arc<str>,
    /// What to say of a name that is not there; where it is empty, the nearest name is suggested.
    absent: Option<&'static str>,
    watch: Watch,
    /// Whether it is one of a list's many records: only their paths are reported.
    is_element: bool,
    /// Sorted by name.
    fields: Vec<Name>,
    /// In the schema's order.
    derived: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    name: Box<str>,
    /// In full, once somebody asked for it.
    path: OnceLock<SharedText>,
}

/// A value of a record.
#[derive(Debug)]
pub(crate) struct Slot {
    value: Fact,
    masked: bool,
    /// A script looked at it.
    read: AtomicBool,
}

/// A named value, for a record that has a layout of its own.
#[derive(Debug)]
pub(crate) struct Field {
    name: String,
    value: Fact,
    masked: bool,
}

impl Name {
    fn new(name: &str) -> Name {
        Name { name: name.into(), path: OnceLock::new() }
    }
}

impl Slot {
    /// A value; a masked one is kept out of what is stored and shown.
    pub(crate) fn new(value: Fact, masked: bool) -> Slot {
        Slot { value, masked, read: AtomicBool::new(false) }
    }
}

impl Field {
    pub(crate) fn new(name: String, value: Fact) -> Field {
        Field { name, value, masked: false }
    }

    /// The same, with its value kept out of what is stored and shown.
    pub(crate) fn masked(mut self, masked: bool) -> Field {
        self.masked = masked;
        self
    }
}

impl Layout {
    /// Of records whose reading is noted. The names are different; `fields` are sorted.
    pub(crate) fn watched<'a>(
        path: Arc<str>,
        fields: impl Iterator<Item = &'a str>,
        derived: impl Iterator<Item = &'a str>,
    ) -> Layout {
        let (fields, derived) = (fields.map(Name::new).collect(), derived.map(Name::new).collect());
        Layout { fields, derived, ..Layout::empty(path, Watch::Reads) }
    }

    fn empty(path: Arc<str>, watch: Watch) -> Layout {
        let is_element = path.contains("[]");
        Layout { path, absent: None, watch, is_element, fields: Vec::new(), derived: Vec::new() }
    }

    /// The place of a field.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()
    }

    fn full(&self, name: &Name) -> SharedText {
        name.path.get_or_init(|| format!("{}.{}", self.path, name.name).into()).clone()
    }
}

impl Record {
    /// A record of these fields, which have different names.
    pub(crate) fn new(path: Arc<str>, mut fields: Vec<Field>, watch: Watch) -> Record {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let names = fields.iter().map(|field| Name::new(&field.name)).collect();
        let layout = Layout { fields: names, ..Layout::empty(path, watch) };
        let slots = fields.into_iter().map(|field| Slot::new(field.value, field.masked)).collect();
        Record::of(Arc::new(layout), slots)
    }

    /// A record with one value for each field of the layout.
    pub(crate) fn of(layout: Arc<Layout>, slots: Vec<Slot>) -> Record {
        Record(Arc::new(RecordData { layout, slots, derived: OnceLock::new() }))
    }

    /// A record without fields, and what to say to those who ask.
    pub(crate) fn absent(path: &str, why: &'static str) -> Record {
        let layout = Layout { absent: Some(why), ..Layout::empty(path.into(), Watch::Reads) };
        Record::of(Arc::new(layout), Vec::new())
    }

    /// There is no such record.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.layout.absent.is_some()
    }

    /// A copy whose readings are noted, whether or not this one's are.
    pub(crate) fn watched(&self) -> Record {
        let fields = self.0.layout.fields.iter().zip(&self.0.slots).map(|(name, slot)| {
            let value = match &slot.value {
                Fact::Record(record) => Fact::Record(record.watched()),
                other => other.clone(),
            };
            Field::new(name.name.to_string(), value).masked(slot.masked)
        });
        Record::new(self.0.layout.path.clone(), fields.collect(), Watch::Reads)
    }

    /// Adds the derived facts, in the schema's order, for all who hold this record. A second time adds nothing.
    pub(crate) fn derive(&self, derived: Vec<Slot>) {
        debug_assert_eq!(derived.len(), self.0.layout.derived.len());
        let _ = self.0.derived.set(derived);
    }

    fn slot(&self, name: &str) -> Option<&Slot> {
        let layout = &self.0.layout;
        match layout.place(name) {
            Some(place) => self.0.slots.get(place),
            None => {
                let place = layout.derived.iter().position(|derived| &*derived.name == name)?;
                self.0.derived.get()?.get(place)
            }
        }
    }

    /// The fields and derived facts, with their names.
    fn slots(&self) -> impl Iterator<Item = (&Name, &Slot)> {
        let RecordData { layout, slots, derived } = &*self.0;
        let derived = derived.get().map_or(&[][..], Vec::as_slice);
        layout.fields.iter().zip(slots).chain(layout.derived.iter().zip(derived))
    }

    /// The value of a name, not noted.
    pub(crate) fn peek(&self, name: &str) -> Option<&Fact> {
        self.slot(name).map(|slot| &slot.value)
    }

    /// The value of a name, noted as read.
    pub(crate) fn find(&self, name: &str) -> Option<&Fact> {
        let slot = self.slot(name)?;
        if self.0.layout.watch == Watch::Reads {
            slot.read.store(true, Ordering::Relaxed);
        }
        if slot.masked {
            note_masked_read();
        }
        Some(&slot.value)
    }

    /// Whether a name's value is kept out of what is stored and shown.
    pub(crate) fn is_masked(&self, name: &str) -> bool {
        self.slot(name).is_some_and(|slot| slot.masked)
    }

    /// Its names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.slots().map(|(name, _)| &*name.name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// The value of a name for a script.
    pub(crate) fn get(&self, name: &str) -> Result<&Fact, Failure> {
        self.find(name).ok_or_else(|| self.unknown(name).into())
    }

    /// What to say of a name that is not there.
    fn unknown(&self, name: &str) -> String {
        let path = &self.0.layout.path;
        match self.0.layout.absent {
            Some(why) => format!("there is no {path}.{name}: {why}"),
            None => format!("{path} has no field '{name}'{}", suggest::did_you_mean(name, self.names())),
        }
    }

    /// Forgets which facts were read.
    pub(crate) fn forget_reads(&self) {
        self.take(&mut |_, _, _| {});
    }

    /// Collects the facts that were read since they were last collected, and forgets that they were.
    pub(crate) fn take_reads(&self, reads: &mut Vec<FactRead>) {
        self.take(&mut |layout, name, slot| {
            let value = if slot.masked || layout.is_element { None } else { slot.value.short_text() };
            reads.push(FactRead { path: layout.full(name), value });
        });
    }

    fn take(&self, told: &mut impl FnMut(&Layout, &Name, &Slot)) {
        let layout = &self.0.layout;
        if layout.watch == Watch::Nothing {
            return;
        }
        for (name, slot) in self.slots() {
            if !slot.read.load(Ordering::Relaxed) {
                continue;
            }
            slot.read.store(false, Ordering::Relaxed);
            told(layout, name, slot);
            match &slot.value {
                Fact::Record(record) => record.take(told),
                Fact::List(list) => list.0.iter().for_each(|fact| {
                    if let Fact::Record(record) = fact {
                        record.take(told);
                    }
                }),
                Fact::Nothing | Fact::Bool(_) | Fact::Integer(_) => {}
                Fact::Decimal(_) | Fact::Text(_) | Fact::Part(_) | Fact::Moment(_) | Fact::Names(_) => {}
            }
        }
    }
}
