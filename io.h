#pragma once
// Files: safetensors, checkpoints, IDX, CIFAR, CSV.

#include "weft/io/checkpoint.h"
#include "weft/io/cifar.h"
#include "weft/io/csv.h"
#include "weft/io/idx.h"
#include "weft/io/safetensors.h"
