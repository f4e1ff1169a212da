//! Addresses as Apache Parquet: rows are gathered into groups, as the format wants them, and a group is written once it is full.
//!
//! The schema says of every column what it means, so that readers need no casts: texts are UTF-8, `found_at` is a time in UTC,
//! `classes` a list. `offset` is signed, since some readers know no other 64-bit integers; no document is that long.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::class::Class;
use crate::store::Stored;
use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

/// The columns, in the order in which [`Group::write`] fills them.
const SCHEMA: &str = "
message addresses {
  REQUIRED BYTE_ARRAY email (STRING);
  REQUIRED BYTE_ARRAY source (STRING);
  REQUIRED INT64 offset;
  REQUIRED BYTE_ARRAY form (STRING);
  REQUIRED GROUP classes (LIST) {
    REPEATED GROUP list {
      REQUIRED BYTE_ARRAY element (STRING);
    }
  }
  REQUIRED INT64 found_at (TIMESTAMP(MILLIS,true));
}";

/// How many rows a group has at most. Groups are what readers skip and share out; what is written of them pays from some ten
/// thousand rows on. A file may have 32,767 groups.
const GROUP_ROWS: usize = 50_000;

/// How many bytes of text a group has before it is written, which long sources reach sooner than its rows.
const GROUP_BYTES: usize = 8 << 20;

/// A file that is written group by group.
#[derive(Debug)]
pub(super) struct Groups {
    /// What is written but not taken yet is in its vector.
    file: SerializedFileWriter<Vec<u8>>,
    /// The group that is not full yet.
    group: Group,
}

impl Groups {
    pub(super) fn new() -> io::Result<Self> {
        // No two addresses are the same: a dictionary of them would only be built to be given up.
        let properties = WriterProperties::builder()
            .set_created_by(format!("mailscan version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_column_dictionary_enabled(ColumnPath::from("email"), false)
            .build();
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        Ok(Self { file, group: Group::default() })
    }

    /// Takes rows; answers the bytes of the groups that they fill.
    pub(super) fn rows(&mut self, page: &[Stored]) -> io::Result<Vec<u8>> {
        for row in page {
            self.group.push(row);
            if self.group.is_full() {
                self.end_group()?;
            }
        }
        self.take()
    }

    /// The rest of the rows and the end of the file.
    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        if self.group.rows() > 0 {
            self.end_group()?;
        }
        self.file.finish()?;
        self.take()
    }

    fn end_group(&mut self) -> Result<()> {
        std::mem::take(&mut self.group).write(self.file.next_row_group()?)
    }

    /// Takes what is written. The file counts its bytes before they come into the vector, so its offsets stay right.
    fn take(&mut self) -> io::Result<Vec<u8>> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }
}

/// The columns of the rows of one group.
#[derive(Debug, Default)]
struct Group {
    emails: Texts,
    sources: Texts,
    offsets: Vec<i64>,
    forms: Texts,
    classes: Lists,
    found_at: Vec<i64>,
}

impl Group {
    fn push(&mut self, row: &Stored) {
        self.emails.push(row.address.as_str());
        self.sources.push(&row.source);
        self.offsets.push(i64::try_from(row.offset).unwrap_or(i64::MAX));
        self.forms.push(row.form.as_str());
        self.classes.push(row.classes.iter().map(Class::as_str));
        self.found_at.push(i64::try_from(row.found_at.0).unwrap_or(i64::MAX));
    }

    const fn rows(&self) -> usize {
        self.offsets.len()
    }

    const fn is_full(&self) -> bool {
        self.rows() >= GROUP_ROWS || self.emails.text.len() + self.sources.text.len() >= GROUP_BYTES
    }

    /// Writes the columns in the order of the schema; each is given up before the next.
    fn write(self, mut group: RowGroup<'_>) -> Result<()> {
        column::<ByteArrayType>(&mut group, &self.emails.values(), None)?;
        column::<ByteArrayType>(&mut group, &self.sources.values(), None)?;
        column::<Int64Type>(&mut group, &self.offsets, None)?;
        column::<ByteArrayType>(&mut group, &self.forms.values(), None)?;
        let Lists { elements, definitions, repetitions } = self.classes;
        column::<ByteArrayType>(&mut group, &elements.values(), Some((&definitions, &repetitions)))?;
        column::<Int64Type>(&mut group, &self.found_at, None)?;
        group.close()?;
        Ok(())
    }
}

/// Texts behind each other; one that is the same as the one before is held once.
#[derive(Debug, Default)]
struct Texts {
    text: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        let place = match self.places.last() {
            Some(last) if self.text[last.clone()] == *text.as_bytes() => last.clone(),
            _ => {
                let start = self.text.len();
                self.text.extend_from_slice(text.as_bytes());
                start..self.text.len()
            }
        };
        self.places.push(place);
    }

    fn values(self) -> Vec<ByteArray> {
        let text = Bytes::from(self.text);
        self.places.into_iter().map(|place| ByteArray::from(text.slice(place))).collect()
    }
}

/// Lists of texts. One without elements has one entry that defines no element (level 0); every element defines one (level
/// 1), and all but the first of a list repeat it (level 1): Parquet's "Nested Encoding", after Dremel.
#[derive(Debug, Default)]
struct Lists {
    elements: Texts,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl Lists {
    fn push<'a>(&mut self, elements: impl Iterator<Item = &'a str>) {
        let first = self.definitions.len();
        for element in elements {
            self.repetitions.push(i16::from(self.definitions.len() > first));
            self.definitions.push(1);
            self.elements.push(element);
        }
        if self.definitions.len() == first {
            self.definitions.push(0);
            self.repetitions.push(0);
        }
    }
}

/// A group that is being written.
type RowGroup<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// Writes the next column of the group, with the definition and repetition levels of one that is a list.
fn column<T: DataType>(group: &mut RowGroup<'_>, values: &[T::T], levels: Option<(&[i16], &[i16])>) -> Result<()> {
    let missing = || ParquetError::General("the schema has fewer columns than are written".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let (definitions, repetitions) = levels.unzip();
    column.typed::<T>().write_batch(values, definitions, repetitions)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::clock::Timestamp;
    use crate::extract::Form;
    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{ListAccessor, Row, RowAccessor};

    fn stored(id: usize, source: &str) -> Stored {
        Stored {
            id: id as u64,
            address: Address::new(&format!("user{id}"), "example.org").expect("an address"),
            source: source.into(),
            offset: 7,
            form: Form::Plain,
            classes: Class::ALL.iter().copied().take(id % 3).collect(),
            found_at: Timestamp(1_700_000_000_000 + id as u64),
        }
    }

    /// A file of these rows, and how many bytes of it came out before its end.
    fn written(rows: &[Stored], page: usize) -> (Vec<u8>, usize) {
        let mut groups = Groups::new().expect("a file");
        let mut bytes = Vec::new();
        for page in rows.chunks(page) {
            bytes.extend(groups.rows(page).expect("rows"));
        }
        let before = bytes.len();
        bytes.extend(groups.finish().expect("an end"));
        (bytes, before)
    }

    /// How many rows each group has, and all rows.
    fn read(bytes: Vec<u8>) -> (Vec<i64>, Vec<Row>) {
        let reader = SerializedFileReader::new(Bytes::from(bytes)).expect("a Parquet file");
        let groups = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        (groups, reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect())
    }

    #[test]
    fn rows_are_read_as_they_were_written_whatever_the_pages() {
        let rows: Vec<_> = (0..GROUP_ROWS + 1_234).map(|id| stored(id, "https://example.org/ünï")).collect();
        let (bytes, _) = written(&rows, 10_000);
        assert!(bytes == written(&rows, 501).0, "the pages show in the file");
        let (groups, read) = read(bytes);
        assert_eq!((groups, read.len()), (vec![GROUP_ROWS as i64, 1_234], rows.len()));
        for (row, stored) in read.iter().zip(&rows) {
            assert_eq!(row.get_string(0).expect("email"), stored.address.as_str());
            assert_eq!(row.get_string(1).expect("source"), "https://example.org/ünï");
            assert_eq!((row.get_long(2).expect("offset"), row.get_string(3).expect("form").as_str()), (7, "plain"));
            let classes = row.get_list(4).expect("classes");
            let names: Vec<_> = (0..classes.len()).map(|n| classes.get_string(n).expect("a class").clone()).collect();
            assert_eq!(names, stored.classes.iter().map(Class::as_str).collect::<Vec<_>>());
            assert_eq!(row.get_timestamp_millis(5).expect("found_at"), stored.found_at.0 as i64);
        }
    }

    #[test]
    fn long_sources_end_a_group_before_its_rows_do() {
        let source = |id: usize| format!("{id:4}").repeat(16 << 10);
        let rows: Vec<_> = (0..200).map(|id| stored(id, &source(id))).collect();
        let (bytes, before) = written(&rows, 50);
        assert!(before > 4, "nothing but the mark of the format came out before the end");
        let (groups, read) = read(bytes);
        assert_eq!((groups, read.len()), (vec![128, 72], 200));
    }

    #[test]
    fn no_rows_are_a_file_too() {
        let (groups, read) = read(written(&[], 1).0);
        assert_eq!((groups.len(), read.len()), (0, 0));
    }
}
