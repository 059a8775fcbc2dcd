// CIFAR-10 from its binary batches, in colours or grey.

#include <filesystem>

#include "weft/data/source.h"
#include "weft/io/cifar.h"
#include "weft/io/gzip.h"

namespace weft {

Dataset load_cifar10(const std::string& folder, const std::vector<std::string>& batches) {
  if (batches.empty())
    throw UsageError("[cifar10] no batch named; allowed: one or more of data_batch_1 … data_batch_5, test_batch");
  std::vector<Cifar10> parts;
  std::int64_t items = 0;
  for (const std::string& batch : batches) {
    parts.push_back(read_cifar10(plain_or_gz(folder + "/" + batch + ".bin")));
    items += parts.back().labels.numel();
  }
  Dataset data{"cifar10", Tensor::zeros({items, 3, 32, 32}, DType::f32), Tensor::zeros({items}, DType::i32), 10};
  std::int64_t at = 0;
  for (const Cifar10& part : parts) {
    const std::int64_t end = at + part.labels.numel();
    scale_pixels(part.images, data.images.slice(at, end).data<float>());
    data.labels.slice(at, end).copy_from(part.labels);
    at = end;
  }
  return data;
}

namespace {

TrainAndTest load(const DataRequest& r, bool in_grey) {
  std::vector<std::string> batches;
  for (int i = 1; i <= 5; ++i)
    if (const std::string batch = fmt::format("data_batch_{}", i);
        std::filesystem::exists(plain_or_gz(r.folder + "/" + batch + ".bin")))
      batches.push_back(batch);
  if (batches.empty()) throw FormatError("[cifar10] no data_batch_1.bin[.gz] in '{}'", r.folder);
  TrainAndTest all{load_cifar10(r.folder, batches), load_cifar10(r.folder, {"test_batch"})};
  if (in_grey) all = {grey(all.train), grey(all.test)};
  return first_items(all, r);
}

}  // namespace

extern const DataSource cifar10_source{.name = "cifar10",
                                       .text = "CIFAR-10 from its binary batches",
                                       .texts = false,
                                       .files = true,
                                       .load = [](const DataRequest& r) { return load(r, false); }};
extern const DataSource cifar10_grey_source{.name = "cifar10-grey",
                                            .text = "the same without colours",
                                            .texts = false,
                                            .files = true,
                                            .load = [](const DataRequest& r) { return load(r, true); }};

}  // namespace weft
