#include "weft/autograd/outer_sum.h"

#include "weft/tests/device/device_under_test.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class T>
void check() {
  const std::int64_t n1 = 3, n2 = 2, rows = 5, columns = 37;
  const auto sum_of = [&](std::int64_t rank, const Tensor& left, const Tensor& right, const OuterSum* next) {
    return OuterSum{dtype_of<T>,
                    n1,
                    n2,
                    rows,
                    columns,
                    rank,
                    {left.raw(), n1 * n2 * rows, n2 * rows, rows},
                    {right.raw(), n1 * columns, columns, 0},
                    next};
  };
  const std::int64_t ranks[] = {16, 1};
  std::vector<Tensor> left, right;
  for (const std::int64_t rank : ranks) {
    left.push_back(normals_of<T>({rank, n1 * n2 * rows}, left.size()));
    right.push_back(normals_of<T>({rank, n1 * columns}, 10 + right.size()));
  }
  const auto formed = [&](Backend* backend) {
    std::vector<Tensor> there;
    for (std::size_t i = 0; i < 2; ++i)
      for (const auto* side : {&left, &right}) there.push_back((*side)[i].on(backend));
    const OuterSum second = sum_of(ranks[1], there[2], there[3], nullptr),
                   first = sum_of(ranks[0], there[0], there[1], &second);
    const Tensor to = normals_of<T>({first.numel()}, 20).on(backend);
    std::vector<Tensor> results;
    form_all(first, 1, to);
    results.push_back(to.on(nullptr));
    form_all(OuterGradient{&first, true}, to);
    results.push_back(to.on(nullptr));
    form_all(OuterGradient{nullptr, true}, to);
    results.push_back(to.on(nullptr));
    return results;
  };
  const auto expected = formed(nullptr), got = formed(&device()), again = formed(&device());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(distance(got[i], expected[i]) < (sizeof(T) == 4 ? 1e-6 : 1e-14));
    CHECK(same_bits(again[i], got[i]));
  }
}

}  // namespace

TEST_CASE("sums of outer products are formed on the device") {
  check<float>();
  check<double>();
}
