// Prints which operations of the loop families have a kernel on which device for which dtype, and which bodies of
// core/loop.h a device has; fails when one lacks a dtype.

#include <array>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <string>

#include "weft/cuda/loop_lists.h"
#include "weft/cuda/tables.h"
#include "weft/nn/optim.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

using namespace weft;

namespace {

int holes = 0;

/// One line: a cell is there when all of its functions are.
void line(const char* family, const char* op, std::initializer_list<bool> cells) {
  std::printf("%-8s %-14s", family, op);
  for (bool there : cells) {
    std::printf(" %-8s", there ? "yes" : "-");
    holes += there ? 0 : 1;
  }
  std::printf("\n");
}

bool whole(const UnaryKernel& k) { return k.forward && k.vjp; }
bool whole(const BinaryKernel& k) { return k.forward && k.vjp; }
bool whole(const RowKernel& k) { return k.forward && k.vjp; }
template <class T>
bool whole(const DeviceUpdate<T>& k) {
  return k.constants && k.run;
}

/// By a body's name with T for its dtype: whether float32 and float64 have it. The CPU has every body for every T.
using Bodies = std::map<std::string, std::array<bool, 2>>;

void add(Bodies& bodies, std::string name, bool there) {
  for (const auto& [word, column] : {std::pair{std::string("float"), 0}, {"double", 1}})
    for (const char before : {'<', ' '})
      if (const auto at = name.find(before + word); at != std::string::npos) {
        name.replace(at + 1, word.size(), "T");
        bodies[name][static_cast<std::size_t>(column)] = there;
        return;
      }
  bodies[name] = {there, there};  // of no dtype
}

void loops(const char* family, const Bodies& bodies) {
  std::printf("\n%-8s %-45s %-8s %-8s\n", "family", "body", "cuda f32", "cuda f64");
  for (const auto& [name, there] : bodies) {
    std::printf("%-8s %-45s %-8s %-8s\n", family, name.c_str(), there[0] ? "yes" : "-", there[1] ? "yes" : "-");
    holes += !there[0] + !there[1];
  }
}

}  // namespace

int main() {
  std::printf("%-8s %-14s %-8s %-8s %-8s %-8s\n", "family", "op", "cpu f32", "cpu f64", "cuda f32", "cuda f64");
  for (int i = 0; i < static_cast<int>(UnaryOp::count); ++i) {
    const auto op = static_cast<UnaryOp>(i);
    const auto& device = cuda::pointwise_kernels;
    line("unary", traits(op).name,
         {whole(kernel(op, DType::f32)) && activation<float>(op),
          whole(kernel(op, DType::f64)) && activation<double>(op),
          whole(device.unary[i][0]) && device.activate_float[i] && cuda::finish_kernels.of_float[i],
          whole(device.unary[i][1]) && device.activate_double[i] && cuda::finish_kernels.of_double[i]});
  }
#define WEFT_BINARY(Op, function)                                                         \
  line("binary", Op::name,                                                                \
       {whole(kernel(BinaryOp::Op, DType::f32)), whole(kernel(BinaryOp::Op, DType::f64)), \
        whole(cuda::pointwise_kernels.binary[static_cast<int>(BinaryOp::Op)][0]),         \
        whole(cuda::pointwise_kernels.binary[static_cast<int>(BinaryOp::Op)][1])});
  WEFT_BINARY_OPS(WEFT_BINARY)
  for (int i = 0; i < static_cast<int>(RowOp::count); ++i) {
    const auto op = static_cast<RowOp>(i);
    line("rows", name(op),
         {whole(kernel(op, DType::f32)), whole(kernel(op, DType::f64)), whole(cuda::row_kernels.op[i][0]),
          whole(cuda::row_kernels.op[i][1])});
  }
  for (int i = 0; i < static_cast<int>(UpdateRule::Kind::count); ++i) {
    const UpdateRule rule{.kind = static_cast<UpdateRule::Kind>(i)};
    const auto on_cpu = [&]<class T>(T* none) { return update_range<T>(rule, 0.1, 1, 0, none, none, none, none); };
    line("update", name(rule.kind),
         {on_cpu(static_cast<float*>(nullptr)), on_cpu(static_cast<double*>(nullptr)),
          whole(cuda::update_kernels.of_float[i]), whole(cuda::update_kernels.of_double[i])});
  }

  std::printf("\n%-8s %-14s %-8s %-8s\n", "family", "op", "cuda f32", "cuda f64");
  const auto& random = cuda::random_kernels;
  line("random", "uniform", {random.uniform[0] != nullptr, random.uniform[1] != nullptr});
  line("random", "normal", {random.normal[0] != nullptr, random.normal[1] != nullptr});
  const auto& finish = cuda::finish_kernels;
  const int plain = static_cast<int>(UnaryOp::count);
  line("gemm", "bias", {finish.of_float[plain] != nullptr, finish.of_double[plain] != nullptr});

  std::printf("\n%-8s %-14s %-8s %-8s %-8s %-8s\n", "family", "op", "cuda f32", "cuda f64", "cuda i32", "cuda u8");
  const auto& move = cuda::move_kernels;
  line("move", "fill",
       {move.fill[0] != nullptr, move.fill[1] != nullptr, move.fill[2] != nullptr, move.fill[3] != nullptr});
  line("move", "copy",
       {move.copy_strided[0] != nullptr, move.copy_strided[1] != nullptr, move.copy_strided[2] != nullptr,
        move.copy_strided[3] != nullptr});
  for (int from = 0; from < 4; ++from) {
    const auto& to = move.convert[from];
    line("from", name(static_cast<DType>(from)),
         {to[0] != nullptr, to[1] != nullptr, to[2] != nullptr, to[3] != nullptr});
  }

  Bodies bodies, team_bodies;
#define WEFT_LOOP(...) add(bodies, #__VA_ARGS__, cuda::run_loop<__VA_ARGS__> != nullptr);
#define WEFT_TEAM_LOOP(...) add(team_bodies, #__VA_ARGS__, cuda::run_team_loop<__VA_ARGS__> != nullptr);
  WEFT_LOOPS(WEFT_LOOP)
  WEFT_TEAM_LOOPS(WEFT_TEAM_LOOP)
  loops("loop", bodies);
  loops("teams", team_bodies);
  std::printf("\n%d holes\n", holes);
  return holes == 0 ? 0 : 1;
}
