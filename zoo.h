#pragma once
// Networks whose weights are read: data sets, architectures, zoos on disk, whether two networks are one function,
// models that are trained on a zoo.

#include "weft/data/dataset.h"
#include "weft/data/glyphs.h"
#include "weft/data/source.h"
#include "weft/data/texts.h"
#include "weft/networks/architecture.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/symmetry/assignment.h"
#include "weft/symmetry/attention.h"
#include "weft/symmetry/network.h"
#include "weft/symmetry/products.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"
#include "weft/tasks/moves.h"
#include "weft/tasks/task.h"
#include "weft/tasks/verify.h"
#include "weft/zoo/element_file.h"
#include "weft/zoo/make_zoo.h"
#include "weft/zoo/network_file.h"
#include "weft/zoo/store.h"
