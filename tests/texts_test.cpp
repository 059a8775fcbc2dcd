#include "weft/data/texts.h"

#include <cmath>
#include <cstring>
#include <set>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

double cosine(const WordVectors& words, const char* a, const char* b) {
  const std::int64_t D = words.vectors.dim(1);
  const float *x = words.vectors.data<float>() + words.places.at(a) * D,
              *y = words.vectors.data<float>() + words.places.at(b) * D;
  double xy = 0, xx = 0, yy = 0;
  for (std::int64_t d = 0; d < D; ++d) {
    xy += static_cast<double>(x[d]) * static_cast<double>(y[d]);
    xx += static_cast<double>(x[d]) * static_cast<double>(x[d]);
    yy += static_cast<double>(y[d]) * static_cast<double>(y[d]);
  }
  return xy / std::sqrt(xx * yy);
}

}  // namespace

TEST_CASE("words stand between blanks, as they are") {
  using Words = std::vector<std::string_view>;
  CHECK(words_of("  Oil\tprices,  soar!\n") == Words{"Oil", "prices,", "soar!"});
  CHECK(words_of(" \n").empty());
  CHECK(words_of("a") == Words{"a"});
}

TEST_CASE("word vectors of two topics: neighbours are alike, strangers are not") {
  std::vector<std::string> texts;
  const std::vector<std::string> sea{"ship", "wave", "sail", "tide"}, kitchen{"bread", "oven", "soup", "knife"};
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto& topic = i % 2 ? sea : kitchen;
    std::string text;
    for (std::uint64_t w = 0; w < 6; ++w)
      text += topic[static_cast<std::size_t>(uniform_index(RandomKey(1, "texts"), 6 * i + w, 4))] + " the ";
    texts.push_back(text);
  }
  texts.push_back("rare words here here");
  const WordVectors words = fit_word_vectors(texts, 4);
  CHECK(words.places.size() == 9);
  CHECK(words.places.at("the") == 0);  // the most frequent
  CHECK_FALSE(words.places.contains("here"));
  CHECK(cosine(words, "ship", "tide") > 0.5);
  CHECK(cosine(words, "bread", "knife") > 0.5);
  CHECK(cosine(words, "ship", "soup") < 0);
  double square = 0;
  for (float v : words.vectors.span<float>()) square += static_cast<double>(v) * static_cast<double>(v);
  CHECK(square / static_cast<double>(words.vectors.numel()) == doctest::Approx(1).epsilon(1e-5));
  const WordVectors again = fit_word_vectors(texts, 4);
  CHECK(std::memcmp(words.vectors.raw(), again.vectors.raw(), words.vectors.bytes()) == 0);
  CHECK_THROWS_WITH_AS(fit_word_vectors(texts, 20),
                       "[word vectors] 201 texts with 9 words that occur 3 times or more; allowed: as many words as a "
                       "vector has numbers, 20, or more",
                       UsageError);
}

TEST_CASE("the dominant component is the eigenvector of the centred information, worked out by hand") {
  // Three words, each beside each once more often than with itself: log(c(v,w) c / (c(v) c(w))) = log(3/2) off the
  // diagonal, nothing on it. Centred, that is -log(3/2) (I - 11^T/3): two equal eigenvalues.
  const WordVectors words = fit_word_vectors({"a b", "b c", "c a"}, 2, 1, 1);
  double gram[3][3] = {};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int d = 0; d < 2; ++d)
        gram[i][j] += static_cast<double>(words.vectors.data<float>()[2 * i + d]) *
                      static_cast<double>(words.vectors.data<float>()[2 * j + d]);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) CHECK(gram[i][j] == doctest::Approx(i == j ? 2 : -1).epsilon(1e-5));
}

TEST_CASE("texts become tokens: known words, unknown ones, padding, and no more than the length") {
  const Texts texts{"two", {"b a zebra", "a a a a a a b"}, {1, 0}, 2};
  WordVectors words;
  words.places = {{"a", 0}, {"b", 1}};
  words.vectors = Tensor::zeros({2, 3}, DType::f32);
  const Dataset data = tokenised(texts, words, 5);
  const std::vector<std::int32_t> expected{1, 0, Dataset::unknown, Dataset::padding, Dataset::padding, 0, 0, 0, 0, 0};
  CHECK(std::equal(expected.begin(), expected.end(), data.tokens.span<std::int32_t>().begin()));
  CHECK(data.labels.data<std::int32_t>()[0] == 1);
  CHECK(data.items() == 2);
  CHECK(data.texts());
  CHECK(longest_text(texts) == 7);
  CHECK(data.slice(1, 2).labels.data<std::int32_t>()[0] == 0);
  CHECK(content_hash(data) != content_hash(data.slice(0, 1)));
}

TEST_CASE("topics depend on key and number alone, and mix words of other topics in") {
  const Texts many = draw_topics(300, RandomKey(1, "topics")), few = draw_topics(40, RandomKey(1, "topics"));
  CHECK(std::equal(few.texts.begin(), few.texts.end(), many.texts.begin()));
  CHECK(std::set<std::int32_t>(many.labels.begin(), many.labels.end()).size() == 4);
  std::array<int, 4> sailors{};
  for (std::size_t i = 0; i < many.texts.size(); ++i)
    for (std::string_view word : words_of(many.texts[i]))
      sailors[static_cast<std::size_t>(many.labels[i])] += word == "sailor";
  CHECK(sailors[0] > 2 * sailors[1]);
  CHECK(sailors[1] + sailors[2] + sailors[3] > 0);
}

TEST_CASE("AG News: shuffled rows, and refusals") {
  const TemporaryFolder folder;
  const std::string place = (folder / "").string();
  std::string csv;
  for (int i = 0; i < 50; ++i) csv += fmt::format("\"{}\",\"title\",\"text, {}\"\n", i % 4 + 1, i);
  write_text(folder / "test.csv", csv);
  const Texts a = load_ag_news(place, RandomKey(1, "rows")), b = load_ag_news(place, RandomKey(2, "rows"));
  CHECK(a.items() == 50);
  CHECK(a.texts != b.texts);
  for (std::size_t i = 0; i < a.texts.size(); ++i) CHECK(std::stoi(a.texts[i].substr(6)) % 4 == a.labels[i]);
  CHECK(std::set<std::string>(a.texts.begin(), a.texts.end()).size() == 50);
  write_text(folder / "test.csv", "\"5\",\"title\",\"text\"\n");
  const std::string path = place + "/test.csv";
  CHECK_THROWS_WITH_AS(load_ag_news(place, RandomKey(1, "rows")),
                       fmt::format("[ag_news] '{}', line 1: class 5; allowed: 1 to 4", path).c_str(), FormatError);
  write_text(folder / "test.csv", "1,a\n");
  CHECK_THROWS_WITH_AS(load_ag_news(place, RandomKey(1, "rows")),
                       fmt::format("[ag_news] '{}' has 2 columns; allowed: 3, class, title, description", path).c_str(),
                       FormatError);
}
