// Ranks whose models lie on the device: threads of this process, one after the other on the emulated device. On a GPU
// threads are no ranks: its memory has no locks, and NCCL wants a GPU for each.

#include "weft/core/device_link.h"
#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/nn/rank_gradients.h"
#include "weft/nn/trainer.h"
#include "weft/ops/view.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/disk.h"
#include "weft/tests/rank_threads.h"

using namespace weft;
using namespace weft::testing;

namespace {

const RandomKey key(4, "ranks on a device");

/// What is added up of gradients that each rank draws: on rank 0, if all have the same.
Tensor sum_of_ranks(int size, DType dtype, Backend* backend) {
  std::vector<Tensor> all(static_cast<std::size_t>(size));
  run_ranks(size, [&](Ranks& job) {
    Parameters p;
    p.add("W", {9, 30}, Init::zeros());
    p.add("b", {7}, Init::zeros());
    p.allocate(dtype, key, backend);
    const Tensor own = Tensor::zeros(p.flat_grads().shape(), dtype);
    fill_normal(own, key.at(static_cast<std::uint64_t>(job.rank())));
    RankGradients ranks(p, job, false);
    for (int step = 0; step < 2; ++step) {
      p.flat_grads().copy_from(own);
      p.gradients_given();
      ranks.add_up();
    }
    if (ranks.detour().empty() != (backend == nullptr) || ranks.message_bytes() == 0)
      throw std::runtime_error("another way");
    all[static_cast<std::size_t>(job.rank())] = p.flat_grads().placed_on(nullptr).clone();
  });
  for (const Tensor& other : all) CHECK(same_bits(other, all[0]));
  return all[0];
}

/// A line through points, learnt by `size` ranks: the values of rank 0, if all have the same.
Tensor learn(int size, Backend* backend) {
  const Tensor x = Tensor::zeros({13, 3}, DType::f64), y = Tensor::zeros({13, 1}, DType::f64);
  fill_normal(x, key.at("x"));
  fill_normal(y, key.at("y"));
  std::vector<Tensor> all(static_cast<std::size_t>(size));
  run_ranks(size, [&](Ranks& job) {
    const Module model;
    const Linear line(model, "line", 3, 1);
    model.init(key, DType::f64, backend);
    const Tensor here = x.placed_on(backend), wanted = y.placed_on(backend);
    Trainer trainer(model, {.batch = 4, .epochs = 3, .job = &job},
                    {.items = 13, .loss = [&](Tape& tape, const Tensor& items) {
                       return mean_all(squared_error(line(tape.constant(gathered(tape, here, items))),
                                                     gathered(tape, wanted, items)));
                     }});
    while (!trainer.done()) trainer.run_epoch();
    if (trainer.fallbacks().size() != (size > 1 && backend ? 2 : 0)) throw std::runtime_error("another way");
    all[static_cast<std::size_t>(job.rank())] = model.parameters().flat_values().placed_on(nullptr).clone();
  });
  for (const Tensor& other : all) CHECK(same_bits(other, all[0]));
  return all[0];
}

}  // namespace

TEST_CASE("ranks on a device add up the bits of ranks on the CPU") {
  if (!emulated()) return;
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int size : {2, 3, 4, 7}) {
      CAPTURE(size);
      CHECK(same_bits(sum_of_ranks(size, dtype, &device()), sum_of_ranks(size, dtype, nullptr)));
    }
}

TEST_CASE("ranks on a device: a link to no other") {
  Ranks alone;
  const std::unique_ptr<DeviceLink> link = device().link(alone);
  // On a GPU that is NCCL's start and end, where it is found.
  CHECK((link->detour().empty() != emulated() || link->detour().find("libnccl") != std::string::npos));
}

TEST_CASE("ranks on a device: models of other sizes are told") {
  if (!emulated()) return;
  const auto told_by = [](const auto& way) {
    return message_of<RankError>([&] {
      run_ranks(2, [&](Ranks& job) {
        const Tensor own = Tensor::zeros({job.first() ? 4 : 5}, DType::u8, &device());
        const Tensor other = Tensor::zeros(own.shape(), DType::u8, &device());
        way(job, *device().link(job), own, other);
      });
    });
  };
  const std::string told = "[ranks] rank 1 sent 5 bytes where 4 are due; all ranks train the same model";
  CHECK(told_by([](Ranks& job, DeviceLink& link, const Tensor& own, const Tensor& other) {
          if (job.first())
            link.exchange(1, own.raw(), other.raw(), own.bytes());
          else
            link.send(0, own.raw(), own.bytes());
        }) == told);
  CHECK(told_by([](Ranks& job, DeviceLink& link, const Tensor& own, const Tensor& other) {
          if (job.first())
            link.receive(1, other.raw(), other.bytes());
          else
            link.send(0, own.raw(), own.bytes());
        }) == told);
}

TEST_CASE("ranks on a device learn what one process learns there") {
  if (!emulated()) return;
  const Tensor one = learn(1, &device());
  for (const int size : {2, 3}) {
    CHECK(distance(learn(size, &device()), one) < 1e-12);
    CHECK(distance(learn(size, nullptr), one) < 1e-12);
  }
}
