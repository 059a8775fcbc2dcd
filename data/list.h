#pragma once
// The data sets, one file each beside this one: a new one is its file and its line here.

/// X(source); of images and of texts the first is the usual one.
#define WEFT_DATA_SOURCES(X) \
  X(glyphs)                  \
  X(shapes)                  \
  X(mnist)                   \
  X(cifar10)                 \
  X(cifar10_grey)            \
  X(topics)                  \
  X(agnews)
