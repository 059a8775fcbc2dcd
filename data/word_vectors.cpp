#include "weft/data/word_vectors.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "weft/core/error.h"
#include "weft/core/random.h"

namespace weft {
namespace {

/// Symmetric, by rows.
struct Sparse {
  std::vector<std::size_t> begin{0};
  std::vector<std::int32_t> column;
  std::vector<double> value;
  std::size_t size() const { return begin.size() - 1; }
};

using Columns = std::vector<std::vector<double>>;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.);
}

void centre(std::vector<double>& x) {
  const double mean = std::accumulate(x.begin(), x.end(), 0.) / static_cast<double>(x.size());
  for (double& v : x) v -= mean;
}

/// (I - 11^T/n) M (I - 11^T/n) x
std::vector<double> times(const Sparse& m, std::vector<double> x) {
  centre(x);
  std::vector<double> y(m.size());
  for (std::size_t r = 0; r < m.size(); ++r)
    for (std::size_t at = m.begin[r]; at < m.begin[r + 1]; ++at)
      y[r] += m.value[at] * x[static_cast<std::size_t>(m.column[at])];
  centre(y);
  return y;
}

/// Gram-Schmidt, twice for the digits that the first pass loses.
void orthonormalise(Columns& q) {
  for (std::size_t i = 0; i < q.size(); ++i) {
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t j = 0; j < i; ++j) {
        const double along = dot(q[i], q[j]);
        for (std::size_t k = 0; k < q[i].size(); ++k) q[i][k] -= along * q[j][k];
      }
    const double norm = std::sqrt(dot(q[i], q[i]));
    for (double& v : q[i]) v = norm > 0 ? v / norm : 0;
  }
}

/// Jacobi rotations: a becomes diagonal, the columns of the result are its eigenvectors.
Columns diagonalise(Columns& a) {
  const std::size_t n = a.size();
  Columns u(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i) u[i][i] = 1;
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p][q]) < 1e-300) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, 1)), theta), c = 1 / std::hypot(t, 1),
                     s = t * c;
        auto rotate = [=](double& x, double& y) {
          const double old = x;
          x = c * old - s * y;
          y = s * old + c * y;
        };
        for (std::size_t k = 0; k < n; ++k) rotate(a[k][p], a[k][q]);
        for (std::size_t k = 0; k < n; ++k) rotate(a[p][k], a[q][k]);
        for (std::size_t k = 0; k < n; ++k) rotate(u[k][p], u[k][q]);
      }
  return u;
}

Sparse mutual_information(const std::vector<std::vector<std::int32_t>>& texts, std::size_t words, std::int64_t window) {
  std::vector<std::map<std::int32_t, double>> counts(words);
  for (const auto& text : texts)
    for (std::size_t i = 0; i < text.size(); ++i)
      for (std::size_t j = i + 1; j < text.size() && j <= i + static_cast<std::size_t>(window); ++j)
        if (text[i] >= 0 && text[j] >= 0) {
          ++counts[static_cast<std::size_t>(text[i])][text[j]];
          ++counts[static_cast<std::size_t>(text[j])][text[i]];
        }
  std::vector<double> of_word(words);
  for (std::size_t w = 0; w < words; ++w)
    for (const auto& [other, count] : counts[w]) of_word[w] += count;
  const double all = std::accumulate(of_word.begin(), of_word.end(), 0.);
  Sparse m;
  for (std::size_t w = 0; w < words; ++w) {
    for (const auto& [other, count] : counts[w]) {
      const double information = std::log(count * all / (of_word[w] * of_word[static_cast<std::size_t>(other)]));
      if (information <= 0) continue;
      m.column.push_back(other);
      m.value.push_back(information);
    }
    m.begin.push_back(m.column.size());
  }
  return m;
}

/// The leading eigenvectors, each times the root of its eigenvalue: [D][size].
Columns principal_components(const Sparse& m, std::size_t D) {
  const std::size_t more = std::min(m.size(), D + 8);
  Columns q(more, std::vector<double>(m.size()));
  for (std::size_t i = 0; i < more; ++i)
    for (std::size_t k = 0; k < m.size(); ++k) q[i][k] = normal(Key(0, "word vectors").at(i), k);
  orthonormalise(q);
  for (int round = 0; round < 30; ++round) {
    for (auto& x : q) x = times(m, x);
    orthonormalise(q);
  }
  Columns small(more, std::vector<double>(more));
  for (std::size_t j = 0; j < more; ++j) {
    const std::vector<double> y = times(m, q[j]);
    for (std::size_t i = 0; i < more; ++i) small[i][j] = dot(q[i], y);
  }
  for (std::size_t i = 0; i < more; ++i)  // symmetric to the last digit
    for (std::size_t j = 0; j < i; ++j) small[i][j] = small[j][i];
  const Columns u = diagonalise(small);
  std::vector<std::size_t> order(more);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(small[a][a]) > std::abs(small[b][b]); });
  Columns out(D, std::vector<double>(m.size()));
  for (std::size_t d = 0; d < D; ++d) {
    const std::size_t from = order[d];
    for (std::size_t i = 0; i < more; ++i)
      for (std::size_t k = 0; k < m.size(); ++k) out[d][k] += u[i][from] * q[i][k];
    const double largest =
        *std::max_element(out[d].begin(), out[d].end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    const double scale = std::copysign(std::sqrt(std::abs(small[from][from])), largest);
    for (double& v : out[d]) v *= scale;
  }
  return out;
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(blanks); at != text.npos;) {
    const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(blanks, end);
  }
  return words;
}

WordVectors fit_word_vectors(const std::vector<std::string>& texts, std::int64_t D, std::int64_t least,
                             std::int64_t window) {
  std::map<std::string_view, std::int64_t> counts;
  for (const std::string& text : texts)
    for (std::string_view word : words_of(text)) ++counts[word];
  std::vector<std::pair<std::int64_t, std::string_view>> frequent;
  for (const auto& [word, count] : counts)
    if (count >= least) frequent.emplace_back(-count, word);
  std::sort(frequent.begin(), frequent.end());
  if (std::ssize(frequent) < D || D < 1)
    throw UsageError(
        "[word vectors] {} texts with {} words that occur {} times or more; allowed: as many words as a "
        "vector has numbers, {}, or more",
        texts.size(), frequent.size(), least, D);
  WordVectors result;
  for (const auto& [count, word] : frequent)
    result.places.emplace(word, static_cast<std::int32_t>(result.places.size()));

  std::vector<std::vector<std::int32_t>> numbers;
  for (const std::string& text : texts) {
    numbers.emplace_back();
    for (std::string_view word : words_of(text)) {
      const auto found = result.places.find(std::string(word));
      numbers.back().push_back(found == result.places.end() ? -1 : found->second);
    }
  }
  const auto words = static_cast<std::int64_t>(frequent.size());
  const Columns components =
      principal_components(mutual_information(numbers, frequent.size(), window), static_cast<std::size_t>(D));
  double square = 0;
  for (const auto& component : components) square += dot(component, component);
  const double scale = square > 0 ? std::sqrt(static_cast<double>(words * D) / square) : 0;
  result.vectors = Tensor::zeros({words, D}, DType::f32);
  for (std::int64_t w = 0; w < words; ++w)
    for (std::int64_t d = 0; d < D; ++d)
      result.vectors.data<float>()[w * D + d] =
          static_cast<float>(scale * components[static_cast<std::size_t>(d)][static_cast<std::size_t>(w)]);
  return result;
}

}  // namespace weft
