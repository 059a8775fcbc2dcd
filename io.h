#pragma once
// Files: safetensors, checkpoints, tensors of PyTorch and numpy, IDX, CIFAR, CSV.

#include "weft/io/checkpoint.h"
#include "weft/io/cifar.h"
#include "weft/io/csv.h"
#include "weft/io/idx.h"
#include "weft/io/safetensors.h"
#include "weft/io/tensor_file.h"
