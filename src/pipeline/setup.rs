//! What opening a loader comes to: what is made of which samples, in which order, in which batches.

use super::course::Course;
use super::engine::Making;
use super::executor::{Executor, SampleKey};
use super::features::Features;
use super::feed::{Plan, Tail};
use super::loader::LoaderOptions;
use super::mixer::Mixer;
use super::output::{Format, Output};
use super::samples::Samples;
use super::scan::{Look, Wanted, scan};
use super::skip::Skipped;
use super::spec::{BatchSpec, Mode, Pipeline, Shuffle};
use super::state::LoaderState;
use super::view::{Part, Records, Select, View};
use crate::dataset::ShardSet;
use crate::error::{Error, ErrorClass, Location, Result};
use crate::example::ExampleParser;
use crate::image::Shape;

/// More processes than this are a mistake, and would overflow positions.
const MAX_WORLD: u64 = 1 << 24;
/// More batches than this would fill the memory before any is asked for.
const MAX_PREFETCH: usize = 4096;
/// More epochs than this have no random numbers of their own.
const MAX_EPOCH: u64 = u32::MAX as u64;
/// Bytes that a run of the global shuffle holds about.
const RUN_BYTES: u64 = 4 << 20;

/// Records looked at until one can be read.
const LOOKED_AT: u64 = 16;
/// Most values of the soft labels of a batch.
const MOST_SHARES: usize = 1 << 28;

/// What to do about compressed shards.
const UNCOMPRESSED: &str = "write the set uncompressed: `tfr reshard PATH -o OUT --compression none`";

/// The epoch and step that a state stands at, of a rank with so many steps in an epoch.
pub(super) fn begin(state: &LoaderState, steps: u64) -> Result<(u64, u64)> {
    if state.epoch > MAX_EPOCH {
        let what = format!("the state stands at epoch {}, beyond the last possible, {MAX_EPOCH}", state.epoch);
        return Err(Error::usage_hint(what, "begin again: no run has saved such a state"));
    }
    match state.step {
        step if step < steps || step == 0 => Ok((state.epoch, step)),
        // The state of a rank that has a batch more.
        step if step == steps => Ok((state.epoch.saturating_add(1), 0)),
        step => Err(Error::usage_hint(
            format!("the state stands at step {step} of an epoch of {steps} steps"),
            "begin again: no run has saved such a state",
        )),
    }
}

/// What the pipeline makes of samples, as far as that is known before any is seen.
pub(super) fn making(pipeline: &Pipeline, mode: Mode) -> Result<Making> {
    made(pipeline, mode).map_err(|e| pipeline.located(e))
}

fn made(pipeline: &Pipeline, mode: Mode) -> Result<Making> {
    let BatchSpec { output, dtype, layout, .. } = pipeline.batch;
    let parser = (!pipeline.columns.is_empty()).then(|| ExampleParser::new(pipeline.columns.clone())).transpose()?;
    let (mut shape, mut mixer) = (Shape::default(), None);
    match output {
        Output::Images => {
            shape = pipeline.batch_shape(mode)?;
            mixer = Mixer::new(pipeline, mode)?;
        }
        Output::Columns if parser.is_none() => {
            let hint = "name the features: [[column]] with name, kind and layout";
            return Err(Error::usage_hint("batches of columns, and the pipeline has no columns", hint));
        }
        Output::Columns | Output::Records => {}
    }
    if pipeline.cache.is_some() && output != Output::Images {
        return Err(Error::usage_hint("a cache of images, and batches that hold none", "leave [cache] out"));
    }
    let format = Format { shape, dtype, layout };
    let features = Features::named(&pipeline.features);
    Ok(Making { output, format, features, parser, mixer, cache: None })
}

/// Completes what is made by what the first record of the set tells: where image and label are, and how large the images are
/// where the ops leave that open. All others are held to it.
pub(super) fn look(making: &mut Making, pipeline: &Pipeline, mode: Mode, samples: &Samples) -> Result<()> {
    if making.output != Output::Images {
        return Ok(());
    }
    let mut found = None;
    let first = samples.len().min(LOOKED_AT);
    // A bad record tells nothing, and is met again in its batch.
    for ordinal in 0..first {
        let mut at_path = Location::default();
        let look = |_, at: &Location, payload: &[u8]| {
            at_path = at.clone();
            let features = Features::of(&pipeline.features, payload)?;
            let mut shape = making.format.shape;
            if shape.height == 0 {
                let (image, _) = features.find(payload)?;
                let key = SampleKey::default();
                shape = Executor::new(pipeline, mode)?.run(image.single_bytes()?, key, None)?.shape();
            }
            found = Some((features, shape));
            Ok(())
        };
        match samples.read(&[ordinal], look) {
            Ok(()) => break,
            // Where no record tells, the last says why.
            Err(e) if e.class() != ErrorClass::Data || ordinal + 1 == first && making.format.shape.height == 0 => {
                return Err(e);
            }
            Err(_) => {}
        }
    }
    let Some((features, shape)) = found else { return Ok(()) };
    if features.is_unlabelled() {
        if let Some(op) = pipeline.ops(mode)?.iter().find(|spec| spec.op.is_batch()) {
            let hint = "leave the op out, or name the feature of the label: [features] label = \"...\"";
            return Err(Error::usage_hint(format!("{} mixes labels, and the set has none", op.op.name()), hint));
        }
        let names = pipeline.features.label.join("' or '");
        log::warn!("the set has no labels, in '{names}' at least: all are -1");
    }
    making.features = features;
    making.format.shape = shape;
    Ok(())
}

/// Which samples come in which order; and those left out, since they could not be looked at.
pub(super) fn course(
    sets: &[(ShardSet, f64)],
    pipeline: &Pipeline,
    options: &LoaderOptions,
    samples: &Samples,
    threads: usize,
) -> Result<(Course, Vec<Skipped>)> {
    let shuffle = shuffle(pipeline, options, samples)?;
    let Select { filter, skip, take, repeat, balance } = &options.select;
    if (*balance || sets.len() > 1) && !samples.is_random() {
        return Err(Error::usage_hint(
            "compressed shards cannot be balanced or mixed: their records are read one after the other",
            UNCOMPRESSED,
        ));
    }
    let label = balance.then_some(&pipeline.features);
    let (found, unread) = match (filter, label) {
        (None, None) => Default::default(),
        _ => {
            let look = Look { threads, views: options.views.as_deref(), on_error: options.on_error };
            scan(samples, &Wanted { filter: filter.as_ref(), label }, &look)?
        }
    };
    let mut first = 0;
    let views = sets.iter().map(|(set, _)| {
        let shards = first..first + set.shards.len();
        first = shards.end;
        // Of records that could not be read, balance knows no label.
        let view = match filter.is_some() || !unread.is_empty() {
            true => {
                let table = |shard: usize| Part { shard, records: Records::Table(found[shard].records.clone()) };
                View::new(shards.map(table).collect())
            }
            false => View::all(&samples.counts()[shards.clone()], shards.start),
        };
        view.cut(*skip, *take).repeated(*repeat)
    });
    let views = views.collect::<Result<Vec<View>>>()?;
    if views.iter().any(|view| view.len() == 0) {
        let hint = "the filter, or what is skipped, leaves nothing";
        return Err(Error::usage_hint("there is no sample to stream", hint));
    }
    let course = match (&views[..], balance) {
        ([view], true) => {
            let classes: Vec<View> = view.by_label(|shard, record| found[shard].label(record))?.into_values().collect();
            let weights = vec![1.0; classes.len()];
            Course::dealt(classes, &weights, shuffle, options.seed)
        }
        (_, true) => Err(Error::usage_hint("several sets are mixed by weight and not balanced too", "choose one")),
        ([_], false) => {
            let view = views.into_iter().next().unwrap_or_else(|| View::new(Vec::new()));
            Ok(Course::once(view, shuffle, options.seed, *repeat > 1))
        }
        _ => {
            let weights: Vec<f64> = sets.iter().map(|(_, weight)| *weight).collect();
            Course::dealt(views, &weights, shuffle, options.seed)
        }
    }?;
    Ok((course, unread))
}

/// The order within an epoch.
fn shuffle(pipeline: &Pipeline, options: &LoaderOptions, samples: &Samples) -> Result<Shuffle> {
    Ok(match (options.mode, pipeline.shuffle) {
        (Mode::Eval, _) => Shuffle::None,
        (Mode::Train, Shuffle::Global { .. }) if !samples.is_random() => {
            return Err(Error::usage_hint(
                "compressed shards cannot be shuffled globally: their records are read one after the other",
                format!("shuffle by mode = \"buffer\", or {UNCOMPRESSED}"),
            ));
        }
        (Mode::Train, Shuffle::Global { run: 0 }) => {
            Shuffle::Global { run: (RUN_BYTES / samples.mean_bytes().max(1)).max(1) }
        }
        (Mode::Train, shuffle) => shuffle,
    })
}

/// What the options come to for so many samples.
pub(super) fn plan(
    sets: &[(ShardSet, f64)],
    pipeline: &Pipeline,
    options: &LoaderOptions,
    samples: u64,
) -> Result<Plan> {
    if options.world == 0 || options.world > MAX_WORLD {
        return Err(Error::usage(format!(
            "a world of {} processes: from 1 to {MAX_WORLD} are possible",
            options.world
        )));
    }
    if options.rank >= options.world {
        let last = options.world - 1;
        return Err(Error::usage(format!(
            "rank {} in a world of {}: ranks go from 0 to {last}",
            options.rank, options.world
        )));
    }
    if options.prefetch > MAX_PREFETCH {
        let what = format!("a prefetch of {} batches: from 0 to {MAX_PREFETCH} are possible", options.prefetch);
        return Err(Error::usage_hint(what, "each takes the memory of a batch; 2 are enough for most"));
    }
    let batch = options.batch.unwrap_or(pipeline.batch.size);
    if !(1..=65_536).contains(&batch) {
        return Err(Error::usage(format!("a batch of {batch} samples: from 1 to 65536 is possible")));
    }
    let plan = Plan {
        seed: options.seed,
        batch: batch as u64,
        rank: options.rank,
        world: options.world,
        tail: pipeline.tail(options.mode),
        samples,
        epochs: if options.epochs == 0 { u64::MAX } else { options.epochs }.min(MAX_EPOCH + 1),
    };
    if plan.samples == 0 || (plan.tail == Tail::Drop && plan.steps() == 0) {
        let of = if plan.world > 1 { format!(" on each of {} ranks", plan.world) } else { String::new() };
        let names: Vec<&str> = sets.iter().map(|(set, _)| set.name.as_str()).collect();
        return Err(Error::usage_hint(
            format!("the set '{}' has {samples} samples, too few for a batch of {batch}{of}", names.join("', '")),
            "make the batch smaller (--batch), or keep the tail: [batch] tail = \"uneven\"",
        ));
    }
    let classes = match pipeline.batch.output {
        Output::Images => pipeline.soft_classes(options.mode)?.unwrap_or(0),
        Output::Columns | Output::Records => 0,
    };
    if batch.saturating_mul(classes) > MOST_SHARES {
        let what = format!("soft labels of {classes} classes for a batch of {batch}: more than {MOST_SHARES} values");
        return Err(Error::usage_hint(what, "make the batch or num_classes smaller"));
    }
    // A rank without a sample in an epoch has none in any.
    Ok(Plan { epochs: if plan.steps() == 0 { 0 } else { plan.epochs }, ..plan })
}
