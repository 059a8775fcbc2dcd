#pragma once
// A zoo of trained networks on disk: a folder that holds
//
//     zoo.json                      what it is: space, data, seed, and what each column of the table means
//     table.csv                     one row per checkpoint of a network: results, splits, hyper-parameters
//     weights-00000.safetensors …   shards of checkpoints: one tensor per name of the space, [rows, taps, axes…], and
//                                   their ids and results as "table.id", "table.accuracy", …; "table.hash" and
//                                   "table.largest" say of their weights what would else need reading them
//     images.safetensors            of implicit networks: "images", the originals that they store, uint8 [images,
//                                   channels, rows, columns]
//
// Its networks are classifiers that read all items of a data set, or implicit networks, each of which stores one image
// (spec 9.2). What is measured of them differs, and so do columns of the table.
//
// It appears complete or not at all. While it is written the folder is called `<folder>.part`; a killed run resumes
// there and ends with the same bytes as one that was never killed.

#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/groups/space.h"
#include "weft/io/safetensors.h"

namespace weft {

enum class ZooPart : std::uint8_t { train, val, test };
const char* name(ZooPart split);

/// One for each of the five split columns.
using ZooSplits = std::array<ZooPart, 5>;

/// Five seeded random splits of networks, 70 / 15 / 15 (the shares of val and test rounded to the nearest network). All
/// checkpoints of a network share its splits. Of implicit networks images are split, and their views share the splits.
std::vector<ZooSplits> draw_splits(std::int64_t networks, std::uint64_t seed);

/// A column of the table that describes the networks.
struct HyperParameter {
  std::string name, meaning;
  std::vector<std::string> values;  ///< one per network
  bool operator==(const HyperParameter&) const = default;

  /// Values as number_text() (io/csv.h) gives them.
  static HyperParameter numbers(std::string name, std::string meaning, std::span<const double> values);
};

/// Networks `first` to `end` - 1 of a zoo.
struct ZooRange {
  std::int64_t first = 0, end = 0;
  std::int64_t networks() const { return end - first; }
  bool operator==(const ZooRange&) const = default;
};

/// What a zoo is, known before its first network is trained.
struct ZooDescription {
  Space space;
  std::string architecture;          ///< "mlp", "cnn", "transformer"
  std::string activation;            ///< "relu"
  std::string data_name, data_hash;  ///< Dataset::name, content_hash()
  std::string generator;             ///< "weft 0.1.0"
  std::uint64_t seed = 0;            ///< of everything random in it, the splits too
  std::int64_t networks = 0;
  std::vector<HyperParameter> hyper_parameters;
  std::map<std::string, std::string> settings;  ///< what else the generator was told: {"epochs", "8"}
  /// What the rows of a network are: {"50", "75", "100", "best"}, percents of the epochs and its best epoch, which may
  /// be one of the others. Empty: rows differ in their epoch, and the table has no such column.
  std::vector<std::string> checkpoints{};
  /// Of implicit networks: how many of them, one behind the other, store the same image, so that they share its splits;
  /// `networks` is a multiple. 0: networks are classifiers that read all items.
  std::int64_t views = 0;
  /// Of a part of a zoo, which holds rows of these networks only; merge_zoo() joins them. All else is the whole zoo's.
  std::optional<ZooRange> part{};
  bool operator==(const ZooDescription&) const = default;

  /// Whose rows it holds.
  ZooRange range() const { return part.value_or(ZooRange{0, networks}); }
};

/// What was measured on one checkpoint of one network; NaN: not measured, as accuracies of implicit networks are not.
struct ZooResult {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::int64_t network = 0, epoch = 0;
  double accuracy = unknown;        ///< on the test items, 0 to 1
  double loss = 0;                  ///< mean over the test items; of implicit networks the mean squared error
  bool diverged = false;            ///< the weights are the last finite ones
  double train_accuracy = unknown;  ///< 0 to 1 where it was measured
  std::int64_t checkpoint = 0;      ///< in the description's list of them
  double psnr = unknown;            ///< of the rendered image in dB, peak 2; of implicit networks
};

/// One row of the table.
struct ZooRow : ZooResult {
  std::int64_t id = 0;  ///< names the checkpoint in the table, the shards and messages
  ZooSplits splits{};
};

/// Writes a zoo, shard by shard:
///     ZooWriter writer(folder, description, ZooWriter::Existing::resume);
///     if (auto state = writer.state()) …                  // go on where it was saved
///     while (…) { …; writer.append(results, weights); writer.save_state(tensors); }
///     writer.finish();
/// All members throw DiskError when the disk does not take the data; nothing that was complete is lost then.
class ZooWriter {
 public:
  enum class Existing : std::uint8_t {
    refuse,   ///< a zoo that is there, complete or not, is an error
    resume,   ///< go on with an incomplete one; start where there is none
    replace,  ///< start anew; a complete one stays until finish()
  };

  /// Throws UsageError for a zoo that must not be there, one to resume that another description (naming the first
  /// difference) or another version of the numerics began (core/numerics.h), a folder that holds anything but a zoo, a
  /// description that contradicts itself; DiskError while another process writes there.
  ZooWriter(const std::filesystem::path& folder, ZooDescription description, Existing existing = Existing::refuse);
  /// What can be said of the folder before there is a description, so that it does not come out after data were read.
  /// Leaves nothing behind. Throws UsageError, also for a folder in a zoo; DiskError where no zoo can be made.
  static void check_place(const std::filesystem::path& folder, Existing existing);
  ZooWriter(ZooWriter&&) noexcept;
  ~ZooWriter();

  /// Resuming found it finished: there is nothing left to write, and finish() does nothing.
  bool complete() const;
  /// Rows that are safe: when resuming, those that were there when the state was last saved.
  std::int64_t rows() const;
  /// What save_state() wrote last; nothing to go on with: start from the beginning.
  std::optional<SafeTensors> state() const;

  /// One shard: result i belongs to row i of the weights, float32 [results, taps, axes…] in the order of the space.
  /// Their ids count on; those of a part are what they will be in the whole zoo, so it takes all of its networks at
  /// once, in their order. Throws ShapeError, DtypeError; NumericError for a weight that is not finite, naming network
  /// and tensor; UsageError for a network that the zoo does not have, an epoch or checkpoint that it has twice, an
  /// accuracy that is not in [0, 1] (a train_accuracy may be NaN: not measured), or a psnr of an implicit network that
  /// is not finite.
  void append(std::span<const ZooResult> results, std::span<const Tensor> weights);

  /// The originals that implicit networks store, uint8 [networks / views, channels, rows, columns]: once before
  /// finish(), again or not in a run that resumes. Throws UsageError for a zoo of classifiers; ShapeError, DtypeError.
  void save_images(const Tensor& images);

  /// What the training needs to go on from here, under any names; "weft.rows" and "weft.numerics" in the metadata are
  /// taken; finish() removes the file. A run that is killed resumes here: rows appended later are dropped, and are the
  /// same bytes when they are made again.
  void save_state(std::span<const NamedTensor> tensors, Metadata metadata = {});

  /// Writes the table and gives the folder its name. Throws UsageError when one of its networks has no row, or implicit
  /// networks no images.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws UsageError for a folder that is a zoo or lies in one, which holds nothing else.
void require_no_zoo_above(const std::filesystem::path& folder);

/// A complete zoo. Everything but its weights is checked when it is opened; these may be larger than the memory, stay
/// on the disk until they are asked for, and are checked then. A handle: copying it copies nothing.
class Zoo {
 public:
  /// Throws DiskError where there is no zoo or an incomplete one; UsageError for a part of one; FormatError for a file
  /// that is missing or is not as the others say it must be (schema, columns, rows, ids, splits, ranges of results,
  /// names and shapes of tensors, dtypes), naming file and place. Reads no weights: check() does.
  static Zoo open(const std::filesystem::path& folder);

  /// Reads all weights. Throws NumericError for one that is not finite, FormatError where they are not those that were
  /// written (zoos of before weights had hashes cannot tell), naming file, id and tensor; ReadError.
  void check() const;

  const ZooDescription& description() const;
  const Space& space() const { return description().space; }
  /// 16 hexadecimal digits that stand for the description, for the results, splits and weights of the rows in their
  /// order, and for the images of implicit networks: two zoos with the same ones are the same zoo, wherever they lie.
  /// Ids, which only name the rows, have no part in it. Reads no weights but those of zoos
  /// whose shards do not hold their hashes; found once for all copies of this handle.
  const std::string& hash() const;
  /// In the order of the table; an id names a row, it is not its place here.
  const std::vector<ZooRow>& rows() const;
  /// The row of an id. Throws UsageError for an unknown one.
  const ZooRow& row(std::int64_t id) const;
  /// A number of some rows: "epoch", what was measured ("accuracy", "loss", "train_accuracy"; of implicit networks
  /// "psnr", "loss"), or a hyper-parameter of numbers. float32 [ids]. Throws UsageError for another column, an unknown
  /// id, or a value that is no number.
  Tensor column(std::span<const std::int64_t> ids, std::string_view name) const;
  /// The ids of one part of one of the five splits, in the order of rows().
  std::vector<std::int64_t> ids(int split, ZooPart part) const;

  /// The originals that implicit networks store, a view into the file: uint8 [images, channels, rows, columns]. Like
  /// image_of() it throws UsageError for a zoo of classifiers.
  const Tensor& images() const;
  /// Which of them the network of a row stores.
  std::int64_t image_of(const ZooRow& row) const;

  /// The largest absolute weight of a row. Reads its weights where the shards do not say it.
  float largest_weight(std::int64_t id) const;
  /// Weights of some rows: reads them into float32 tensors [ids, taps, axes…] in the order of the space, features with
  /// one channel; neighbours at once. Allocates nothing. Throws UsageError for an unknown id, ShapeError, DtypeError;
  /// NumericError for a weight that is not finite, naming id and tensor; ReadError for a shard that was moved, replaced
  /// or cut since the zoo was opened.
  void gather(std::span<const std::int64_t> ids, std::span<const Tensor> into) const;
  /// The same in new tensors.
  std::vector<Tensor> weights(std::span<const std::int64_t> ids) const;
  /// The weights of these rows, and of rows between them, will be asked for soon: the system may fetch them meanwhile.
  /// Throws UsageError for an unknown id; ReadError.
  void prefetch(std::span<const std::int64_t> ids) const;

 private:
  struct Contents;
  explicit Zoo(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}
  std::shared_ptr<const Contents> contents_;
};

}  // namespace weft
