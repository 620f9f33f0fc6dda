//! The protobuf wire format, as far as a view of Examples needs it: tags, varints, length-delimited fields.

use crate::error::{Error, Result};

/// Groups may nest; deeper than this is an attack, not a message (prost's own limit).
const MAX_GROUP_DEPTH: u32 = 100;

/// A field's value on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
    Group,
}

/// Reads a message field by field.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the message's end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = varint(&mut self.0)?;
                let length = usize::try_from(length).map_err(|_| cut())?;
                Value::Bytes(self.take(length)?)
            }
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(bytes.try_into().map_err(|_| cut())?)
            }
            _ => return Err(Error::proto(format!("field {number} has the invalid wire type {wire_type}"))),
        };
        Ok(Some((number, value)))
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8)> {
        let tag = u32::try_from(varint(&mut self.0)?).map_err(|_| Error::proto("a field's tag is out of range"))?;
        match tag >> 3 {
            0 => Err(Error::proto("a field has the number 0")),
            number => Ok((number, (tag & 7) as u8)),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Skips to the end of the group that field `number` has opened.
    fn skip_group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                0 => drop(varint(&mut self.0)?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = usize::try_from(varint(&mut self.0)?).map_err(|_| cut())?;
                    self.take(length)?;
                }
                3 if open.len() < MAX_GROUP_DEPTH as usize => open.push(number),
                4 if number == innermost => drop(open.pop()),
                5 => drop(self.take(4)?),
                _ => return Err(Error::proto(format!("field {number} is a damaged group"))),
            }
        }
        Ok(())
    }
}

fn cut() -> Error {
    Error::proto("a field's length runs past the end of its message")
}

/// Reads a varint of at most 10 bytes.
#[inline]
pub(super) fn varint(data: &mut &[u8]) -> Result<u64> {
    match data.split_first() {
        // Tags, and most lengths and labels.
        Some((&byte, rest)) if byte < 0x80 => {
            *data = rest;
            Ok(byte.into())
        }
        _ => long_varint(data),
    }
}

fn long_varint(data: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for (i, &byte) in data.iter().enumerate().take(10) {
        if i == 9 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *data = &data[i + 1..];
            return Ok(value);
        }
    }
    Err(Error::proto("a number runs past its 10 bytes or past the end of its message"))
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The length of a varint in bytes.
pub(super) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_every_length() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                assert_eq!(varint(&mut &out[..]).unwrap(), value);
            }
        }
    }

    #[test]
    fn overlong_and_cut_varints_are_errors() {
        assert!(varint(&mut &[0xff; 11][..]).is_err());
        assert!(varint(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]).is_err());
        assert!(varint(&mut &[0x80][..]).is_err());
        assert!(varint(&mut &[][..]).is_err());
    }

    #[test]
    fn hostile_fields_are_errors() {
        for bad in [
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..], // a length of 2^64 - 1
            &[0x0a, 5, 1],                                                        // cut
            &[0x02, 0],                                                           // field number 0
            &[0x0e],                                                              // wire type 6
            &[0x0c],                                                              // a group's end without its start
            &[0x0b, 0x14],                                                        // another group's end
            &[0x09, 1, 2],                                                        // a cut fixed64
        ] {
            assert!(Fields(bad).next().is_err(), "{bad:?}");
        }
        let mut group = Fields(&[0x0b, 0x10, 1, 0x1b, 0x1c, 0x0c, 0x08, 7]);
        assert_eq!(group.next().unwrap(), Some((1, Value::Group)));
        assert_eq!(group.next().unwrap(), Some((1, Value::Varint(7))));
        assert!(Fields(&[0x0b; 200]).next().is_err(), "groups nested without end");
    }
}
