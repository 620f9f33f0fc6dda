//! Sets of shards: their names and patterns, the index beside them, the manifest, the sharded writer.

mod classes;
mod index;
pub(crate) mod labels;
mod listing;
mod manifest;
mod marker;
mod names;
mod paths;
mod search;
mod set_files;
mod set_writer;
mod shard_writer;
mod shares;
mod splits;
mod swap;
pub(crate) mod tfds;
mod unfinished;

pub(crate) use classes::Classes;
pub use index::{Span, build_index, idx_path, read_idx, write_idx};
pub(crate) use manifest::MAX_LABEL_OFFSET;
pub use manifest::{FeatureEntry, Manifest, SetEntry, ShardEntry, fingerprint};
pub(crate) use marker::{lock_dir, refuse_existing, without_empty_dir};
pub(crate) use names::{IMAGE_LISTS, shard_stem};
pub use names::{NumberedName, is_shard_name, shard_file_name};
pub use paths::{ResolvedSets, ShardSet, resolve};
pub(crate) use search::{Search, ShardSearch};
pub(crate) use set_writer::check_set_name;
pub(crate) use set_writer::finish_sets;
pub use set_writer::{Existing, SetPlan, SetWriter};
pub use shard_writer::{ShardSummary, ShardWriter, WrittenShard};
pub(crate) use shard_writer::{dir_of, is_temporary, path_as_text, temp_in, write_atomically};
pub use shares::{ShardCount, parse_split};
pub(crate) use shares::{check_split, even_part, share_ends};
pub(crate) use swap::finish_swap;
pub(crate) use tfds::{BOX_FEATURES, IMAGE_FEATURES};
pub use unfinished::finish_replacement;
