// AG News from the CSV file of its test split.

#include "weft/core/error.h"
#include "weft/data/texts.h"
#include "weft/io/csv.h"
#include "weft/io/gzip.h"

namespace weft {

Texts load_ag_news(const std::string& folder, RandomKey key) {
  const std::string path = plain_or_gz(folder + "/test.csv");
  const Csv csv = Csv::read(path, Csv::Header::none);
  if (csv.columns() != 3)
    throw FormatError("[ag_news] '{}' has {} columns; allowed: 3, class, title, description", path, csv.columns());
  Texts all{"agnews", {}, {}, 4};
  for (std::int32_t place : permutation(static_cast<std::int64_t>(csv.rows()), key)) {
    const auto row = static_cast<std::size_t>(place);
    const std::int64_t label = csv.integer(row, 0);
    if (label < 1 || label > 4)
      throw FormatError("[ag_news] '{}', line {}: class {}; allowed: 1 to 4", path, csv.line(row), label);
    all.texts.emplace_back(csv.text(row, 2));
    all.labels.push_back(static_cast<std::int32_t>(label - 1));
  }
  return all;
}

extern const DataSource agnews_source{.name = "agnews",
                                      .text = "AG News from the CSV file of its test split",
                                      .texts = true,
                                      .files = true,
                                      .load = [](const DataRequest& r) {
                                        const Texts all = load_ag_news(r.folder, RandomKey(r.seed, "ag_news"));
                                        if (r.train < 1 || r.test < 1 || r.train + r.test > all.items())
                                          throw UsageError("[data] {} training and {} test items; '{}' has {}", r.train,
                                                           r.test, all.name, all.items());
                                        return as_data(all.slice(0, r.train), all.slice(r.train, r.train + r.test), r);
                                      }};

}  // namespace weft
