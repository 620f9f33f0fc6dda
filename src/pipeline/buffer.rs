//! Memory for pixels that accelerators like: aligned, and used again.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::output::{Dtype, Pixels};
use crate::image::ImageError;

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory that holds no values.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Line>);

impl Memory {
    /// Whether there is nothing to use again.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.capacity() == 0
    }

    /// Room for so many bytes; what is in them is left over from earlier.
    pub(super) fn with_room(mut self, bytes: usize) -> Result<Self, ImageError> {
        let lines = bytes.div_ceil(size_of::<Line>());
        let no_memory = |_| ImageError::OutOfMemory { values: bytes };
        self.0.try_reserve_exact(lines.saturating_sub(self.0.len())).map_err(no_memory)?;
        self.0.resize(lines, Line([0; 64]));
        Ok(self)
    }

    pub(super) fn first(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u8 {}
}

/// A type of pixel values: `f32` or `u8`. Any bits are a value, and none needs more than the memory's alignment.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + fmt::Debug + 'static {
    /// The dtype of a pipeline that gives such values.
    const DTYPE: Dtype;

    /// Pixels as values of this type, if that is what they are.
    fn of(pixels: Pixels<'_>) -> Option<&[Self]>;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;

    fn of(pixels: Pixels<'_>) -> Option<&[f32]> {
        if let Pixels::F32(values) = pixels { Some(values) } else { None }
    }
}

impl Element for u8 {
    const DTYPE: Dtype = Dtype::U8;

    fn of(pixels: Pixels<'_>) -> Option<&[u8]> {
        if let Pixels::U8(values) = pixels { Some(values) } else { None }
    }
}

/// Values that begin at a multiple of 64 bytes, in one piece: what a loader's batches hold. Derefs to a slice.
pub struct AlignedVec<T> {
    memory: Memory,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Element> AlignedVec<T> {
    /// So many values of memory that has room for them.
    pub(super) fn new(memory: Memory, len: usize) -> Self {
        assert!(len <= memory.0.len() * (size_of::<Line>() / size_of::<T>()));
        AlignedVec { memory, len, values: PhantomData }
    }

    pub(super) fn into_memory(self) -> Memory {
        self.memory
    }
}

impl<T: Element> Deref for AlignedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the memory has room for `len` values, is aligned for them, and any bits are a value.
        unsafe { std::slice::from_raw_parts(self.memory.0.as_ptr().cast(), self.len) }
    }
}

impl<T: Element> DerefMut for AlignedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above; the memory is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.memory.0.as_mut_ptr().cast(), self.len) }
    }
}

impl<T: Element> fmt::Debug for AlignedVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_memory_grows() {
        let memory = Memory::default().with_room(17 * 4).unwrap();
        let mut values = AlignedVec::<f32>::new(memory, 17);
        values[16] = 2.5;
        assert_eq!((values.len(), values.as_ptr() as usize % 64), (17, 0));
        let bytes = AlignedVec::<u8>::new(values.into_memory().with_room(200).unwrap(), 200);
        assert_eq!(bytes[64..68], 2.5f32.to_ne_bytes());
    }

    #[test]
    #[should_panic]
    fn more_values_than_room() {
        AlignedVec::<f32>::new(Memory::default().with_room(64).unwrap(), 17);
    }

    #[test]
    fn no_memory_is_an_error() {
        assert!(Memory::default().with_room(usize::MAX).is_err());
    }
}
