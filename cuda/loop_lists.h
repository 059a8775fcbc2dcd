#pragma once
// The bodies of core/loop.h that a device has, from the lists that stand beside them.

#include "weft/autograd/outer_bodies.h"
#include "weft/core/permutation_bodies.h"
#include "weft/core/send_bodies.h"
#include "weft/networks/cnn/cnn_bodies.h"
#include "weft/networks/population/definition_bodies.h"
#include "weft/networks/transformer/attention_bodies.h"
#include "weft/nfn/graph/edge_bodies.h"
#include "weft/nfn/graph/norm_bodies.h"
#include "weft/nfn/linear/fourier_bodies.h"
#include "weft/nfn/magep/device_bodies.h"
#include "weft/nfn/magep/device_chain_vjp_bodies.h"
#include "weft/nfn/magep/device_pieces.h"
#include "weft/nfn/magep/device_vjp_bodies.h"
#include "weft/nfn/models/position_bodies.h"
#include "weft/nfn/pixel_place.h"
#include "weft/nfn/transformer/device_bodies.h"
#include "weft/nfn/transformer/device_global_bodies.h"
#include "weft/nfn/transformer/device_vjp_bodies.h"
#include "weft/nn/loss_bodies.h"
#include "weft/nn/loss_sum_bodies.h"
#include "weft/nn/rank_sum_bodies.h"
#include "weft/ops/act_bodies.h"
#include "weft/ops/strided_bodies.h"
#include "weft/ops/view_bodies.h"

#define WEFT_LOOPS(X)              \
  WEFT_ACT_LOOPS(X)                \
  WEFT_ATTENTION_LOOPS(X)          \
  WEFT_CNN_LOOPS(X)                \
  WEFT_DEFINITION_LOOPS(X)         \
  WEFT_FOURIER_LOOPS(X)            \
  WEFT_GRAPH_LOOPS(X)              \
  WEFT_LOSS_LOOPS(X)               \
  WEFT_LOSS_SUM_LOOPS(X)           \
  WEFT_MAGEP_LOOPS(X)              \
  WEFT_MAGEP_VJP_LOOPS(X)          \
  WEFT_OUTER_LOOPS(X)              \
  WEFT_PERMUTATION_LOOPS(X)        \
  WEFT_PIECE_LOOPS(X)              \
  WEFT_PIXEL_LOOPS(X)              \
  WEFT_POPULATION_LOOPS(X)         \
  WEFT_POSITION_LOOPS(X)           \
  WEFT_RANK_SUM_LOOPS(X)           \
  WEFT_SEND_LOOPS(X)               \
  WEFT_STRIDED_LOOPS(X)            \
  WEFT_TRANSFORMER_LOOPS(X)        \
  WEFT_TRANSFORMER_BLOCK_LOOPS(X)  \
  WEFT_TRANSFORMER_GLOBAL_LOOPS(X) \
  WEFT_TRANSFORMER_VJP_LOOPS(X)    \
  WEFT_VIEW_LOOPS(X)
#define WEFT_TEAM_LOOPS(X)              \
  WEFT_GRAPH_EDGE_TEAM_LOOPS(X)         \
  WEFT_GRAPH_NORM_TEAM_LOOPS(X)         \
  WEFT_LOSS_TEAM_LOOPS(X)               \
  WEFT_MAGEP_TEAM_LOOPS(X)              \
  WEFT_MAGEP_VJP_TEAM_LOOPS(X)          \
  WEFT_PIECE_TEAM_LOOPS(X)              \
  WEFT_POPULATION_TEAM_LOOPS(X)         \
  WEFT_STRIDED_TEAM_LOOPS(X)            \
  WEFT_TRANSFORMER_TEAM_LOOPS(X)        \
  WEFT_TRANSFORMER_BLOCK_TEAM_LOOPS(X)  \
  WEFT_TRANSFORMER_GLOBAL_TEAM_LOOPS(X) \
  WEFT_TRANSFORMER_VJP_TEAM_LOOPS(X)
