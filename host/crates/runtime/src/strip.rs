//! Leaves out of a component what has no meaning to who runs it: names, and which tools made it.
//!
//! A module and a component are alike in form: eight bytes of preamble, then sections of one byte of id, a length and
//! a body. Within a component, modules and components are sections themselves.

use anyhow::{Context, Result, ensure};
use pelton_model::cause::Because as _;

use crate::error::Error;

const CUSTOM: u8 = 0;
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const PREAMBLE: usize = 8;

/// A copy without custom sections, at any depth.
pub(super) fn strip(binary: &[u8]) -> Result<Vec<u8>> {
    copy(binary, &|_| None)
}

/// The same, with other modules in the place of some of a component's.
///
/// # Errors
/// The bytes are cut short.
pub fn rewrite(binary: &[u8], instead: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    copy(binary, instead).because(Error::Module)
}

fn copy(binary: &[u8], instead: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>> {
    let (preamble, mut rest) = binary.split_at_checked(PREAMBLE).context("the binary has no preamble")?;
    // The last two bytes of the preamble tell the layers apart: 0 is a core module, 1 a component.
    let is_component = preamble.ends_with(&[1, 0]);
    let mut stripped = preamble.to_vec();
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = read_length(after)?;
        let (body, after) = after.split_at_checked(length).context("a section is cut short")?;
        rest = after;
        match id {
            CUSTOM => {}
            MODULE | COMPONENT if is_component => {
                let body = match instead(body) {
                    Some(module) if id == MODULE => module,
                    _ => copy(body, instead)?,
                };
                write_section(&mut stripped, id, &body)?;
            }
            _ => write_section(&mut stripped, id, body)?,
        }
    }
    Ok(stripped)
}

/// Reads an unsigned LEB128 number of at most 32 bits.
fn read_length(mut bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut length = 0u64;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = bytes.split_first().context("a section's length is cut short")?;
        bytes = after;
        length |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((usize::try_from(length)?, bytes));
        }
    }
    anyhow::bail!("a section's length is longer than 32 bits")
}

fn write_section(out: &mut Vec<u8>, id: u8, body: &[u8]) -> Result<()> {
    ensure!(u32::try_from(body.len()).is_ok(), "a section is longer than 4 GiB");
    out.push(id);
    let mut length = body.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE_PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";
    const COMPONENT_PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";

    fn binary(preamble: [u8; 8], sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut binary = preamble.to_vec();
        for (id, body) in sections {
            write_section(&mut binary, *id, body).unwrap();
        }
        binary
    }

    #[test]
    fn custom_sections_go_at_every_depth() {
        let name = b"\x04name...";
        let long = vec![7; 20_000];
        let module = |names: bool| {
            // In a module, sections 1 and 4 are types and tables, not binaries.
            let sections: [(u8, &[u8]); 4] = [(CUSTOM, name), (1, b"types"), (4, b"tables"), (10, &long)];
            binary(MODULE_PREAMBLE, &sections[usize::from(!names)..])
        };
        let inner = |names: bool| {
            let module = module(names);
            let sections: [(u8, &[u8]); 3] = [(MODULE, &module), (7, b"types"), (CUSTOM, name)];
            binary(COMPONENT_PREAMBLE, &sections[..3 - usize::from(!names)])
        };
        let outer = |names: bool| {
            let inner = inner(names);
            let sections: [(u8, &[u8]); 3] = [(CUSTOM, name), (COMPONENT, &inner), (11, b"exports")];
            binary(COMPONENT_PREAMBLE, &sections[usize::from(!names)..])
        };
        assert_eq!(strip(&outer(true)).unwrap(), outer(false));
        assert_eq!(strip(&outer(false)).unwrap(), outer(false));
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let whole = binary(MODULE_PREAMBLE, &[(1, &[0; 300])]);
        for length in (0..whole.len()).filter(|&length| length != PREAMBLE) {
            assert!(strip(&whole[..length]).is_err(), "{length}");
        }
        let endless = [&MODULE_PREAMBLE[..], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0]].concat();
        assert!(strip(&endless).is_err());
    }
}
