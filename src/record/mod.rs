//! TFRecord files: frames with masked CRCs, read and written, plain or compressed. Knows nothing of what records hold.
//!
//! - [`frame`] is the codec, on slices.
//! - [`Writer`] writes records into any `Write`; [`Reader`] reads them from any `Read`.
//! - [`Shard`] is a whole shard in memory or mapped, whose records borrow from it.
//! - [`RecordSource`] walks a file by whichever of the two fits; [`RandomAccess`] reads single records by offset.

mod access;
mod compression;
pub mod frame;
mod open;
mod range_crc;
mod reader;
mod resync;
mod salvage;
mod shard;
mod writer;

pub use access::RandomAccess;
pub use compression::Compression;
pub(crate) use compression::{DETECT_LEN, read_full};
pub use frame::{CrcCheck, FrameError, FramePart, masked_crc};
pub use open::{Io, RecordSource};
pub(crate) use reader::Passed;
pub use reader::{IntoRecords, OnCorrupt, ReadOptions, Reader, Record, Records};
pub(crate) use resync::{Piece, Pieces};
pub(crate) use salvage::{compression_of_damaged, salvage};
pub use shard::{RecordRef, Shard, ShardRecords};
pub use writer::Writer;
