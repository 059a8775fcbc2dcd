// Zoos made by several processes: the same bytes as by one, whoever makes which networks, and however often they stop.

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/rank_threads.h"
#include "weft/zoo/merge_zoo.h"
#include "weft/zoo/zoo_pieces.h"
#include "weft/zoo/zoo_request.h"

using namespace weft;
using namespace weft::testing;
namespace fs = std::filesystem;
using Existing = ZooWriter::Existing;

namespace {

/// One of classifiers, one whose best epochs are kept, one of implicit networks.
std::vector<ZooRequest> requests() {
  return {{.kind = "cnn",
           .data = "shapes",
           .networks = 7,
           .images = 40,
           .test_images = 10,
           .epochs = 3,
           .batch = 16,
           .seed = 4},
          {.kind = "vit",
           .settings = architecture_settings("vit"),
           .networks = 5,
           .images = 24,
           .test_images = 8,
           .epochs = 2,
           .batch = 8,
           .held_out = 6},
          {.kind = "siren", .settings = architecture_settings("siren", {{"views", 2}}), .images = 4, .epochs = 2}};
}

struct Stop {};

/// Stops rank `stops` after so many epochs of its own; none for -1.
void make(const fs::path& folder, const ZooRequest& request, int size, Existing existing, int stops = -1,
          int epochs = 0) {
  run_ranks(size, [&](Ranks& job) {
    const PreparedZoo zoo = prepare_zoo(completed(request));
    int left = epochs;
    ZooProgress progress;
    if (job.rank() == stops)
      progress.safe_point = [&] {
        if (left-- == 0) throw Stop{};
      };
    make_zoo(folder, *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, existing, progress, job);
  });
}

std::vector<fs::path> parts_of(const TemporaryFolder& folder, ZooRequest request, std::int64_t parts) {
  std::vector<fs::path> all;
  request.parts = parts;
  for (request.part = 1; request.part <= parts; ++request.part) {
    all.push_back(folder / fmt::format("part {} of {}", request.part, parts));
    make_zoo(all.back(), request);
  }
  return all;
}

}  // namespace

TEST_CASE("zoo ranks: the same bytes as one process") {
  for (const ZooRequest& request : requests()) {
    INFO(request.kind);
    const TemporaryFolder folder;
    make_zoo(folder / "one", request);
    const auto expected = content(folder / "one");
    for (const int size : {2, 3, 9}) {
      INFO(size);
      const fs::path made = folder / fmt::format("by {}", size);
      make(made, request, size, Existing::refuse);
      CHECK(content(made) == expected);
      CHECK_FALSE(fs::exists(made.string() + ".parts"));
      make(made, request, size, Existing::resume);  // nothing is left to do
      make(made, request, 1, Existing::resume);
      make(made, request, 2, Existing::replace);
      CHECK(content(made) == expected);
    }
    Zoo::open(folder / "by 2");
  }
}

TEST_CASE("zoo ranks: a job that stops goes on with as many ranks, or more, or fewer, or one process") {
  const RandomKey key(1, "zoo_ranks_test");
  std::uint64_t draw = 0;
  const auto pick = [&](int n) { return static_cast<int>(uniform_index(key, draw++, static_cast<std::uint64_t>(n))); };
  for (const ZooRequest& request : requests()) {
    INFO(request.kind);
    const TemporaryFolder folder;
    make_zoo(folder / "one", request);
    for (int round = 0; round < 6; ++round) {
      const fs::path made = folder / fmt::format("broken {}", round);
      // Three jobs that do not get to the end, then one that does.
      for (int job = 0; job < 3; ++job) {
        const int size = 1 + pick(4), stops = pick(size);
        try {
          make(made, request, size, Existing::resume, stops, pick(2));
        } catch (const Stop&) {
        } catch (const RankError&) {  // of another rank, which saw that the job ended
        }
      }
      make(made, request, 1 + pick(4), Existing::resume);
      CHECK(content(made) == content(folder / "one"));
      for (const char* left : {".part", ".parts", ".replaced"}) CHECK_FALSE(fs::exists(made.string() + left));
    }
  }
}

TEST_CASE(
    "zoo ranks: whatever was begun, by whom and of which zoo, one that replaces it or goes on ends with its bytes") {
  const RandomKey key(2, "zoo_ranks_test");
  std::uint64_t draw = 0;
  const auto pick = [&](int n) { return static_cast<int>(uniform_index(key, draw++, static_cast<std::uint64_t>(n))); };
  std::vector<ZooRequest> two(2, requests()[0]);
  two[1].seed = 9;
  const TemporaryFolder folder;
  for (std::size_t i = 0; i < two.size(); ++i) make_zoo(folder / fmt::format("zoo {}", i), two[i]);
  for (int round = 0; round < 25; ++round) {
    INFO(round);
    const fs::path made = folder / fmt::format("any {}", round);
    for (int job = 0; job < 4; ++job) {
      const int size = 1 + pick(3);
      // It may be refused, stop at once or after an epoch, or get to the end.
      try {
        make(made, two[static_cast<std::size_t>(pick(2))], size, pick(2) ? Existing::resume : Existing::replace,
             pick(size), pick(5));
      } catch (const Stop&) {
      } catch (const Error&) {}
    }
    const auto last = static_cast<std::size_t>(pick(2));
    const int size = 1 + pick(3);
    try {
      make(made, two[last], size, Existing::resume);
    } catch (const UsageError& another) {
      CHECK(std::string(another.what()).find("has another description") != std::string::npos);
      make(made, two[last], size, Existing::replace);
    }
    CHECK(content(made) == content(folder / fmt::format("zoo {}", last)));
    for (const char* left : {".part", ".parts", ".replaced"}) CHECK_FALSE(fs::exists(made.string() + left));
  }
}

TEST_CASE("zoo ranks: a rank with other data is refused before it works") {
  const TemporaryFolder folder;
  CHECK(message_of<UsageError>([&] {
          run_ranks(2, [&](Ranks& job) {
            ZooRequest request = requests()[0];
            request.seed += static_cast<std::uint64_t>(job.rank());
            const PreparedZoo zoo = prepare_zoo(completed(request));
            make_zoo(folder / "zoo", *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, Existing::refuse, {}, job);
          });
        }).starts_with("[zoo] rank 1 makes another zoo than rank 0: /data/hash is "));
}

TEST_CASE("zoo ranks: a part that was damaged is not joined") {
  const TemporaryFolder folder;
  const std::vector<fs::path> all = parts_of(folder, requests()[0], 2);
  const auto refused = [&] {
    const std::string message = message_of<FormatError>([&] { merge_zoo(all, folder / "joined", Existing::replace); });
    CHECK_FALSE(fs::exists(folder / "joined"));
    return message;
  };
  const fs::path shard = all[1] / "weights-00001.safetensors", table = all[1] / "table.csv";
  const std::string weights = read_text(shard), rows = read_text(table);
  std::string changed = weights;
  changed[changed.size() - 2] = static_cast<char>(changed[changed.size() - 2] ^ 1);
  write_text(shard, changed);
  CHECK(refused().find("weights of id ") != std::string::npos);
  write_text(shard, weights);
  // Without the rows of its last checkpoint.
  std::string fewer = rows;
  for (int row = 0; row < 4; ++row) fewer.erase(fewer.rfind('\n', fewer.size() - 2) + 1);
  write_text(table, fewer);
  CHECK(refused().find("rows for each network") != std::string::npos);
  write_text(table, rows);
  fs::remove(shard);
  CHECK_THROWS_AS(merge_zoo(all, folder / "joined", Existing::replace), ReadError);
}

TEST_CASE("zoo ranks: parts, joined in any order, are the zoo") {
  for (const ZooRequest& request : requests()) {
    INFO(request.kind);
    const TemporaryFolder folder;
    make_zoo(folder / "one", request);
    for (const std::int64_t parts : {1, 2, 3}) {
      std::vector<fs::path> all = parts_of(folder, request, parts);
      CHECK(message_of<UsageError>([&] { Zoo::open(all[0]); }).find("is a part of a zoo, networks 0 to ") !=
            std::string::npos);
      std::ranges::reverse(all);
      const fs::path joined = folder / fmt::format("of {}", parts);
      merge_zoo(all, joined);
      CHECK(content(joined) == content(folder / "one"));
    }
  }
}

TEST_CASE("zoo ranks: a part is made by several ranks, too") {
  ZooRequest request = requests()[0];
  const TemporaryFolder folder;
  std::vector<fs::path> alone = parts_of(folder, request, 2);
  request.part = request.parts = 2;
  make(folder / "together", request, 3, Existing::refuse);
  CHECK(content(folder / "together") == content(alone[1]));
}

TEST_CASE("zoo ranks: parts that do not fit together are refused") {
  const TemporaryFolder folder, elsewhere;
  ZooRequest request = requests()[0];
  const std::vector<fs::path> all = parts_of(folder, request, 3);
  make_zoo(folder / "whole", request);
  ++request.seed;
  const fs::path other = parts_of(elsewhere, request, 3)[1];
  const auto refused = [&](std::vector<fs::path> parts) {
    return message_of<UsageError>([&] { merge_zoo(parts, folder / "joined"); });
  };
  CHECK(refused({}) == "[zoo] no part to merge; allowed: one or more");
  CHECK(refused({all[0], all[2]}) == "[zoo] networks 2 to 3 of 7 are in no part; give the parts that have them");
  CHECK(refused({all[1], all[0]}) == "[zoo] networks 4 to 6 of 7 are in no part; give the parts that have them");
  CHECK(refused({all[0], all[0], all[1], all[2]}) ==
        fmt::format("[zoo] network 0 is in '{0}' and '{0}'; give each part once", all[0].string()));
  CHECK(refused({folder / "whole"}) ==
        fmt::format("[zoo] '{}' is a whole zoo; allowed: parts of one, as --part makes them",
                    (folder / "whole").string()));
  CHECK(refused({all[0], other, all[2]}).find("are parts of different zoos: /data/hash is ") != std::string::npos);
  CHECK_THROWS_AS(merge_zoo(std::vector{folder / "none"}, folder / "joined"), ReadError);
  CHECK_FALSE(fs::exists(folder / "joined"));
  merge_zoo(all, folder / "joined");
  CHECK(refused({all[0], all[1], all[2]}).ends_with("is there; replace it or choose another folder"));
  merge_zoo(all, folder / "joined", Existing::replace);
  CHECK(content(folder / "joined") == content(folder / "whole"));
}

TEST_CASE("zoo ranks: what another plan began is not continued") {
  const TemporaryFolder folder;
  ZooRequest request = requests()[0];
  CHECK_THROWS(make(folder / "zoo", request, 2, Existing::refuse, 1, 0));
  CHECK(message_of<UsageError>([&] {
          make(folder / "zoo", request, 2, Existing::refuse);
        }).find("holds an unfinished zoo") != std::string::npos);
  CHECK_THROWS_AS(make_zoo(folder / "zoo", request), UsageError);
  ++request.seed;
  for (const int size : {1, 2, 3})
    CHECK(message_of<UsageError>([&] {
            make(folder / "zoo", request, size, Existing::resume);
          }).find("has another description: /data/hash is ") != std::string::npos);
  make(folder / "zoo", request, 2, Existing::replace);
  make_zoo(folder / "one", request);
  CHECK(content(folder / "zoo") == content(folder / "one"));
}
