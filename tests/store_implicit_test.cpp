#include <array>
#include <cmath>
#include <cstring>
#include <set>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;
using Existing = ZooWriter::Existing;

// Zoos of implicit networks: what they have that zoos of classifiers have not, and that those stay as they were.

namespace {

bool same_pixels(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// A zoo of one checkpoint a network, written in one go.
std::vector<ZooResult> write_zoo(const std::filesystem::path& folder, std::int64_t images, std::int64_t views,
                                 std::uint64_t seed, const Tensor& originals, std::vector<ZooResult> results = {}) {
  const RandomKey key(seed, "store_implicit");
  const std::int64_t networks = images * views;
  if (results.empty()) results = store_results(0, networks, 1, key, views);
  ZooWriter writer(folder, store_description(small_space(), networks, seed, views));
  writer.append(results, store_weights(small_space(), networks, key));
  writer.save_images(originals);
  writer.finish();
  return results;
}

/// A writer of two images in three views.
struct Started {
  TemporaryFolder folder;
  ZooWriter writer{folder / "zoo", store_description(small_space(), 6, 1, 3)};

  template <class E>
  std::string append_error(double psnr) {
    ZooResult result{0, 1};
    result.psnr = psnr;
    return message_of<E>(
        [&] { writer.append(std::array{result}, store_weights(small_space(), 1, RandomKey(1, "store_implicit"))); });
  }
  template <class E>
  std::string images_error(const Tensor& images) {
    return message_of<E>([&] { writer.save_images(images); });
  }
};

}  // namespace

TEST_CASE("a zoo of implicit networks gives back rows, images, and which image a network stores; splits are by image") {
  for (std::uint64_t n = 0; n < 24; ++n) {
    INFO(n);
    const RandomKey key = RandomKey(n, "store_implicit");
    const std::int64_t images = 1 + uniform_index(key, 0, 20), views = 1 + uniform_index(key, 1, 4);
    const TemporaryFolder folder;
    const Tensor originals = store_images(images, key);
    const auto results = write_zoo(folder / "zoo", images, views, n, originals);
    CHECK(folder.names() == std::vector<std::string>{"zoo"});

    const Zoo zoo = Zoo::open(folder / "zoo");
    CHECK(zoo.description() == store_description(small_space(), images * views, n, views));
    CHECK(zoo.images().dtype() == DType::u8);
    CHECK(same_pixels(zoo.images(), originals));
    REQUIRE(zoo.rows().size() == results.size());
    const auto splits = draw_splits(images, n);
    std::vector<std::int64_t> ids;
    for (std::size_t r = 0; r < results.size(); ++r) {
      const ZooRow& row = zoo.rows()[r];
      CHECK(row.psnr == results[r].psnr);
      CHECK((row.loss == results[r].loss || (row.diverged && std::isnan(row.loss))));
      CHECK(std::isnan(row.accuracy));
      CHECK(std::isnan(row.train_accuracy));
      CHECK(zoo.image_of(row) == row.network / views);
      CHECK(row.splits == splits[static_cast<std::size_t>(zoo.image_of(row))]);
      ids.push_back(row.id);
    }
    const Tensor psnr = zoo.column(ids, "psnr");
    for (std::size_t r = 0; r < results.size(); ++r)
      CHECK(psnr.data<float>()[r] == static_cast<float>(results[r].psnr));
    for (int split = 0; split < 5; ++split) {
      std::set<std::int64_t> seen;  // images of the parts before
      for (ZooPart part : {ZooPart::train, ZooPart::val, ZooPart::test}) {
        std::set<std::int64_t> here;
        for (std::int64_t id : zoo.ids(split, part)) here.insert(zoo.image_of(zoo.row(id)));
        for (std::int64_t image : here) CHECK(seen.insert(image).second);
      }
      CHECK(std::ssize(seen) == images);
    }
  }
}

TEST_CASE("columns and images of the other sort of zoo are refused") {
  const TemporaryFolder folder;
  write_zoo(folder / "implicit", 2, 2, 1, store_images(2, RandomKey(1, "store_implicit")));
  train_store_sample(folder / "classifiers", Existing::refuse);
  const std::array ids{std::int64_t{0}};
  const Zoo implicit = Zoo::open(folder / "implicit"), classifiers = Zoo::open(folder / "classifiers");
  CHECK(message_of<UsageError>([&] { implicit.column(ids, "accuracy"); }) ==
        "[zoo] no column 'accuracy'; allowed: epoch, psnr, loss, learning_rate, optimiser");
  CHECK(message_of<UsageError>([&] { classifiers.column(ids, "psnr"); }) ==
        "[zoo] no column 'psnr'; allowed: epoch, accuracy, loss, train_accuracy, learning_rate, optimiser");
  const std::string none = "[zoo] no images: its networks are classifiers";
  CHECK(message_of<UsageError>([&] { classifiers.images(); }) == none);
  CHECK(message_of<UsageError>([&] { classifiers.image_of(classifiers.rows()[0]); }) == none);
}

TEST_CASE("the hash of a zoo of implicit networks: any bit of an image, its shape, and any psnr change it") {
  const TemporaryFolder folder;
  const Tensor originals = store_images(3, RandomKey(1, "store_implicit"));
  const auto results = write_zoo(folder / "zoo", 3, 2, 1, originals);
  const std::string hash = Zoo::open(folder / "zoo").hash();
  write_zoo(folder / "again", 3, 2, 1, originals);
  CHECK(Zoo::open(folder / "again").hash() == hash);
  std::set<std::string> hashes{hash};
  const auto check_other = [&](const Tensor& images, std::vector<ZooResult> others) {
    const auto path = folder / std::to_string(hashes.size());
    write_zoo(path, 3, 2, 1, images, std::move(others));
    CHECK(hashes.insert(Zoo::open(path).hash()).second);
  };
  for (std::size_t pixel : {std::size_t{0}, std::size_t{17}, originals.bytes() - 1}) {
    const Tensor other = originals.clone();
    other.data<std::uint8_t>()[pixel] ^= 1;
    check_other(other, results);
  }
  check_other(originals.reshape({3, 1, 5, 3}), results);
  for (std::size_t r = 0; r < results.size(); ++r) {
    auto others = results;
    others[r].psnr = std::nextafter(others[r].psnr, 0);
    check_other(originals, others);
  }
  auto unmeasured = results;  // what implicit networks do not have has no part in it
  for (ZooResult& r : unmeasured) r.accuracy = 0.5;
  write_zoo(folder / "accuracy", 3, 2, 1, originals, unmeasured);
  CHECK(Zoo::open(folder / "accuracy").hash() == hash);
}

TEST_CASE("a writer of implicit networks refuses what does not fit") {
  Started s;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (double psnr : {ZooResult::unknown, infinity, -infinity})
    CHECK(s.append_error<UsageError>(psnr) ==
          fmt::format("[zoo] network 0, epoch 1: psnr {}; allowed: finite numbers", psnr));
  CHECK(s.append_error<UsageError>(-3) == "no error");
  const auto shape = [](const char* found) {
    return fmt::format("[zoo] images have shape {}; allowed: [2, channels, rows, columns]", found);
  };
  CHECK(s.images_error<ShapeError>(Tensor::zeros({6, 1, 4, 4}, DType::u8)) == shape("[6, 1, 4, 4]"));
  CHECK(s.images_error<ShapeError>(Tensor::zeros({2, 4, 4}, DType::u8)) == shape("[2, 4, 4]"));
  CHECK(s.images_error<ShapeError>(Tensor::zeros({2, 1, 4, 0}, DType::u8)) == shape("[2, 1, 4, 0]"));
  CHECK(s.images_error<DtypeError>(Tensor::zeros({2, 1, 4, 4}, DType::f32)) ==
        "[zoo] images are float32; allowed: uint8");
  CHECK(!std::filesystem::exists(s.folder / "zoo.part/images.safetensors"));
  CHECK(message_of<UsageError>([&] { s.writer.finish(); }) ==
        "[zoo] network 1 of 6 has no row; append a checkpoint of every network before finish()");
  s.writer.append(store_results(1, 5, 1, RandomKey(1, "x"), 3), store_weights(small_space(), 5, RandomKey(1, "x")));
  CHECK(message_of<UsageError>([&] { s.writer.finish(); }) ==
        "[zoo] implicit networks without images; give them to save_images() before finish()");
  CHECK(!std::filesystem::exists(s.folder / "zoo.part/table.csv"));
  s.writer.save_images(Tensor::zeros({2, 3, 4, 4}, DType::u8));
  s.writer.finish();
  CHECK(s.images_error<UsageError>(Tensor::zeros({2, 3, 4, 4}, DType::u8)) ==
        "[zoo] '" + (s.folder / "zoo").string() + "' is complete; no images to save");

  ZooWriter classifiers(s.folder / "classifiers", store_description(small_space(), 6, 1));
  CHECK(message_of<UsageError>([&] {
          classifiers.save_images(Tensor::zeros({6, 1, 4, 4}, DType::u8));
        }) == "[zoo] images for a zoo of classifiers; describe implicit networks by their views");
}

TEST_CASE("views that do not divide the networks, and columns that implicit networks have already, are refused") {
  const TemporaryFolder folder;
  const auto error = [&](const ZooDescription& d) {
    return message_of<UsageError>([&] { ZooWriter(folder / "zoo", d); });
  };
  for (std::int64_t views : {-6, -1, 4, 5, 7, 12})
    CHECK(error(store_description(small_space(), 6, 1, views)) ==
          fmt::format("[zoo] {} views of 6 networks; allowed: numbers that divide the networks", views));
  ZooDescription d = store_description(small_space(), 6, 1, 6);
  d.hyper_parameters[1].name = "psnr";
  CHECK(error(d) == "[zoo] two columns of the table are named 'psnr'");
  CHECK(folder.names().empty());
  d.views = 0;
  CHECK(error(d) == "no error");
}

TEST_CASE("a run that resumes keeps the images, may give them again, and ends with the same bytes") {
  const RandomKey key(1, "store_implicit");
  const Tensor originals = store_images(3, key);
  const TemporaryFolder folder;
  const auto results = write_zoo(folder / "whole", 3, 2, 1, originals);
  const auto weights = store_weights(small_space(), 6, key);
  for (bool again : {false, true}) {
    const auto zoo = folder / (again ? "again" : "kept");
    const ZooDescription description = store_description(small_space(), 6, 1, 2);
    {
      ZooWriter writer(zoo, description);
      writer.save_images(originals);
      writer.save_state({});
      writer.append(results, weights);
    }
    ZooWriter writer(zoo, description, Existing::resume);
    CHECK(writer.rows() == 0);
    if (again) writer.save_images(originals);
    writer.append(results, weights);
    writer.finish();
    const auto expected = files_in(folder / "whole"), found = files_in(zoo);
    REQUIRE(expected.size() == found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].filename() == expected[i].filename());
      CHECK(read_text(found[i]) == read_text(expected[i]));
    }
  }
  ZooDescription other = store_description(small_space(), 6, 1, 3);
  CHECK(message_of<UsageError>([&] {
          ZooWriter(folder / "whole", other, Existing::resume);
        }).starts_with("[zoo] '" + (folder / "whole").string() + "' has another description: /views is 2 there"));
}

TEST_CASE("zoos of classifiers keep the bytes and the hash that release 0.1 gave them, but for added columns") {
  const std::filesystem::path old = std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/release-0.1/zoo";
  const Zoo zoo = Zoo::open(old);
  CHECK(zoo.description().views == 0);
  CHECK(zoo.hash() == "e815212470a01f81");  // found from the files, without weft
  const TemporaryFolder folder;
  ZooWriter writer(folder / "zoo", zoo.description());
  for (std::size_t shard = 0, at = 0; at < zoo.rows().size(); ++shard) {
    const auto file = SafeTensors::open(old / fmt::format("weights-{:05}.safetensors", shard));
    std::vector<ZooResult> results;
    std::vector<std::int64_t> ids;
    for (const std::int64_t size = file.shape("table.id")[0]; std::ssize(ids) < size; ++at) {
      ids.push_back(zoo.rows()[at].id);
      results.push_back(zoo.rows()[at]);
    }
    writer.append(results, zoo.weights(ids));
  }
  writer.finish();
  const auto files = files_in(old), now = files_in(folder / "zoo");
  REQUIRE(files.size() == now.size());
  CHECK(Zoo::open(folder / "zoo").hash() == zoo.hash());
  for (std::size_t i = 0; i < files.size(); ++i) {
    CHECK(files[i].filename() == now[i].filename());
    if (files[i].extension() != ".safetensors") {
      CHECK(read_text(files[i]) == read_text(now[i]));
      continue;
    }
    const SafeTensors a = SafeTensors::open(files[i]), b = SafeTensors::open(now[i]);
    CHECK(a.metadata() == b.metadata());
    std::vector<std::string> names = b.names();
    for (const char* added : {"table.hash", "table.largest"}) CHECK(std::erase(names, added) == 1);
    REQUIRE(names == a.names());
    for (const std::string& name : names) {
      const Tensor before = a.tensor(name), after = b.tensor(name);
      CHECK((before.dtype() == after.dtype() && before.shape() == after.shape()));
      CHECK(std::memcmp(before.raw(), after.raw(), before.bytes()) == 0);
    }
  }
}
