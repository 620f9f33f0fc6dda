import tensorflow as tf

FEATURES = {
    "embedding": tf.io.FixedLenFeature([4], tf.float32),
    "id": tf.io.FixedLenFeature([], tf.string),
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "kind": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "sometimes": tf.io.VarLenFeature(tf.float32),
    "tokens": tf.io.VarLenFeature(tf.int64),
    "width": tf.io.FixedLenFeature([], tf.int64),
}


def parse(serialized):
    """A batch of serialized Examples as a dict of tensors."""
    return tf.io.parse_example(serialized, FEATURES)
