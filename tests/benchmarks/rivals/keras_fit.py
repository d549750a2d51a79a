"""The same net in Keras on TensorFlow, trained by `fit`: python keras_fit.py FRAMES.npy BATCH."""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from worker import THREADS, serve

LATENTS, HIDDEN, SIDE, TOP, LR = 6, 256, 12, 256, 1e-3
ENCODER = ((16, 1), (32, 1), (32, 2), (64, 2), (128, 1), (256, 2))
DECODER = ((256, 2), (128, 1), (64, 2), (64, 1), (32, 2), (32, 1))


def convolution(width: int, stride: int, kind: type = layers.Conv2D) -> keras.Layer:
    return kind(width, 3, stride, padding="same", activation="relu")


class KerasEndoVAE(keras.Model):
    """The net of plain_endovae.py with Keras's layers, channels last."""

    def __init__(self) -> None:
        super().__init__()
        down = [convolution(width, stride) for width, stride in ENCODER]
        self.encoder = keras.Sequential([*down, layers.Flatten(), layers.Dense(HIDDEN, "relu")])
        self.mean, self.log_variance = layers.Dense(LATENTS), layers.Dense(LATENTS)
        up = [convolution(width, stride, layers.Conv2DTranspose if stride == 2 else layers.Conv2D) for width, stride in DECODER]
        self.decoder = keras.Sequential(
            [layers.Dense(SIDE**2 * TOP, "relu"), layers.Reshape((SIDE, SIDE, TOP)), *up, layers.Conv2D(3, 3, padding="same")]
        )

    def call(self, image: tf.Tensor) -> tf.Tensor:
        hidden = self.encoder(image)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        kl = 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_variance) - 1 - log_variance, 1)
        self.add_loss(tf.reduce_mean(kl))
        return self.decoder(mean + tf.random.normal(tf.shape(mean)) * tf.exp(0.5 * log_variance))


def cross_entropy(image: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy of each frame, (B,)."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(image, logits), [1, 2, 3])


def main(path: str, batch: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(0)
    frames = np.ascontiguousarray(np.load(path).transpose(0, 2, 3, 1))  # (N, 96, 96, 3)
    model = KerasEndoVAE()
    model.compile(keras.optimizers.Adam(LR), cross_entropy)
    serve(f"{keras.__version__} on TensorFlow {tf.__version__}", lambda: model.fit(frames, frames, batch, epochs=1, verbose=0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
