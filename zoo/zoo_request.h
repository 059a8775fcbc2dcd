#pragma once
// Zoos as they are asked for: what a user says, what follows from it, and the zoo.

#include <memory>
#include <optional>
#include <string>

#include "weft/data/source.h"
#include "weft/zoo/make_zoo.h"

namespace weft {

/// What somebody says of a zoo that is to be. What is left out is as the kind has it.
struct ZooRequest {
  std::string kind = input_architectures().front()->name;  ///< an architecture, "cnn"
  Settings settings = architecture_settings(kind);         ///< of the kind
  std::string data{}, data_folder{};                       ///< a data set, "mnist", and the folder of its files
  /// Networks; images or texts to train on, the first of the data set; those to measure accuracies on; passes; items of
  /// a step; of `images`, those to find the best epoch on. Of networks that each store an image, `images` and the
  /// setting `views` say how many there are.
  std::optional<std::int64_t> networks{}, images{}, test_images{}, epochs{}, batch{}, held_out{};
  /// Part `part` of `parts`, which have as many networks each, or one more: made one by one on any machines, and joined
  /// by merge_zoo().
  std::int64_t part = 0, parts = 0;  ///< 0 of 0: all of it
  /// Every run of the kind's grid, in an order drawn from the seed; of fewer networks the first ones of it. Else each
  /// network's recipe is drawn by itself.
  bool full_grid = false;
  std::uint64_t seed = 0;
};

/// The same with nothing left out.
struct CompleteZooRequest {
  const InputArchitecture* kind;
  Settings settings;
  const DataSource* data;
  std::string data_folder;
  std::int64_t networks, images, test_images, epochs, batch;
  std::int64_t held_out;  ///< 0 where no best epoch is kept
  std::int64_t part, parts;
  bool full_grid;
  std::uint64_t seed;

  /// Those of `networks` that are made.
  ZooRange range() const;
};

/// How messages call a part of a request, a member or a setting: "data_folder", or what its user knows it by.
using RequestSpelling = std::string (*)(const std::string& part);
std::string as_it_is_called(const std::string& part);

/// Throws UsageError for a kind that there is not, data that it does not read, numbers that it does not have or that
/// are out of their range.
CompleteZooRequest completed(const ZooRequest& request, RequestSpelling spelled = as_it_is_called);

/// What make_zoo() makes a zoo of.
struct PreparedZoo {
  TrainAndTest data;
  std::unique_ptr<PopulationModel> model;
  ZooPlan plan;
};

/// Reads or draws the data, draws the recipes, and writes nothing. Throws what reading data throws; UsageError for more
/// items than there are, settings that do not suit the data.
PreparedZoo prepare_zoo(const CompleteZooRequest& request);

/// The zoo that was asked for, or a part of it, trained on the CPU. Throws what completed(), ZooWriter::check_place(),
/// prepare_zoo() and make_zoo() throw, in this order.
void make_zoo(const std::filesystem::path& folder, const ZooRequest& request,
              ZooWriter::Existing existing = ZooWriter::Existing::refuse, const ZooProgress& progress = {});

}  // namespace weft
