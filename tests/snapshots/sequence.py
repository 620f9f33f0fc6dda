import tensorflow as tf

CONTEXT = {
    "id": tf.io.VarLenFeature(tf.string),
    "length": tf.io.VarLenFeature(tf.int64),
    "mean": tf.io.VarLenFeature(tf.float32),
}

SEQUENCE = {
    "frames": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
    "gain": tf.io.VarLenFeature(tf.float32),
    "label": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    "mixed_lengths": tf.io.VarLenFeature(tf.int64),
}


def parse(serialized):
    """A batch of serialized SequenceExamples: context, sequences, lengths."""
    return tf.io.parse_sequence_example(serialized, CONTEXT, SEQUENCE)
