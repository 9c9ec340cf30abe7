//! What guests declare unless their text says otherwise, as it lies in their memory: `pelton:job/types#spec` from address
//! 1024 on, as the component model lays records out.

const AT: usize = 1024;
const SOURCES: usize = 1088;
const SINKS: usize = 1104;
const COLUMNS: usize = 1184;
const STRINGS: usize = 1280;

/// A piece of memory that is written from its end on, for strings, and anywhere else.
struct Memory(Vec<u8>);

impl Memory {
    fn number(&mut self, at: usize, number: usize) {
        self.0[at - AT..at - AT + 4].copy_from_slice(&(number as u32).to_le_bytes());
    }

    /// A list or a string: where it begins, and its length.
    fn list(&mut self, at: usize, begins: usize, length: usize) {
        self.number(at, begins);
        self.number(at + 4, length);
    }

    fn text(&mut self, at: usize, text: &str) {
        self.list(at, AT + self.0.len(), text.len());
        self.0.extend(text.bytes());
    }

    fn byte(&mut self, at: usize, byte: u8) {
        self.0[at - AT] = byte;
    }
}

/// The job `name`, which reads the topic `hostile` and writes to the topic `spoils`. Behind that sink lies another, which
/// counts where the number of sinks at 1060 is 2: the table `hostile_rows`.
pub(crate) fn lie(name: &str) -> String {
    let mut memory = Memory(vec![0; STRINGS - AT]);
    memory.text(AT, name);
    memory.text(AT + 8, "0.1.0");
    memory.text(AT + 16, "an attack");
    memory.list(AT + 24, SOURCES, 1);
    memory.list(AT + 32, SINKS, 1);
    memory.text(SOURCES, "hostile");

    memory.text(SINKS, "spoils");
    memory.text(SINKS + 12, "spoils");

    let table = SINKS + 40;
    memory.text(table, "rows");
    memory.byte(table + 8, 1);
    memory.text(table + 12, "hostile_rows");
    memory.list(table + 20, COLUMNS, 3);
    for (i, (column, column_type)) in [("id", 2), ("note", 7), ("amount", 6)].into_iter().enumerate() {
        let at = COLUMNS + 12 * i;
        memory.text(at, column);
        memory.byte(at + 8, column_type);
        memory.byte(at + 9, u8::from(i > 0));
    }
    let bytes: String = memory.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {AT}) \"{bytes}\")")
}
