#include <array>

#include "weft/data/texts.h"

namespace weft {
namespace {

using Words = std::vector<std::string_view>;

/// What a slot of a template may hold.
enum class Slot : std::uint8_t { actor, thing, action, quality };

/// Of a topic, by slot: the sea, the kitchen, the sky, the workshop. Some words belong to two topics.
using Vocabulary = std::array<Words, 4>;
const std::array<Vocabulary, 4>& topics() {
  static const std::array<Vocabulary, 4> table{{
      {{{"sailor", "captain", "fisher", "diver", "pilot", "crew", "whale", "gull"},
        {"harbour", "anchor", "tide", "net", "reef", "sail", "wave", "lighthouse", "hull", "salt"},
        {"steers", "anchors", "drifts", "dives", "hauls", "sinks", "turns", "lands"},
        {"salty", "deep", "stormy", "wooden", "calm", "wet", "distant", "heavy"}}},
      {{{"cook", "baker", "guest", "waiter", "butcher", "grocer", "child", "taster"},
        {"bread", "oven", "salt", "soup", "knife", "pepper", "plate", "apple", "dough", "kettle"},
        {"bakes", "stirs", "tastes", "cuts", "boils", "serves", "peels", "turns"},
        {"fresh", "sweet", "hot", "sour", "wooden", "salty", "ripe", "heavy"}}},
      {{{"astronomer", "pilot", "observer", "comet", "planet", "satellite", "gull", "child"},
        {"star", "orbit", "telescope", "cloud", "moon", "wing", "eclipse", "dust", "wave", "engine"},
        {"orbits", "shines", "rises", "observes", "lands", "drifts", "fades", "measures"},
        {"distant", "bright", "dark", "cold", "calm", "faint", "hot", "round"}}},
      {{{"carpenter", "smith", "engineer", "mason", "apprentice", "welder", "crew", "owner"},
        {"hammer", "engine", "plank", "nail", "knife", "gear", "dust", "wheel", "plate", "vice"},
        {"hammers", "cuts", "welds", "drills", "measures", "repairs", "hauls", "bends"},
        {"wooden", "heavy", "sharp", "rusty", "round", "cold", "solid", "oily"}}},
  }};
  return table;
}

/// "A", "T", "V", "Q" stand for an actor, a thing, an action and a quality; all else is common to the topics.
constexpr std::array templates{
    "the A V the Q T",
    "a Q A V near the T and the T",
    "when the A V every T is Q",
    "nobody V a T without the Q T of the A",
    "today the Q T V again said the A",
    "the T and the T are Q because the A V",
    "after the T the A V slowly",
    "there is a Q A behind the Q T",
};

constexpr double of_another_topic = 0.35;

class Writer {
 public:
  explicit Writer(RandomKey key) : key_(key) {}

  std::string text(std::int32_t topic) {
    std::string text;
    const std::int64_t sentences = 1 + index(3);
    for (std::int64_t s = 0; s < sentences; ++s)
      for (std::string_view word : words_of(templates[static_cast<std::size_t>(index(std::ssize(templates)))]))
        text.append(text.empty() ? "" : " ")
            .append(word == "A"   ? filled(topic, Slot::actor)
                    : word == "T" ? filled(topic, Slot::thing)
                    : word == "V" ? filled(topic, Slot::action)
                    : word == "Q" ? filled(topic, Slot::quality)
                                  : word);
    return text;
  }

 private:
  std::int64_t index(std::int64_t n) { return uniform_index(key_, drawn_++, n); }
  std::string_view filled(std::int32_t topic, Slot slot) {
    if (uniform(key_, drawn_++) < of_another_topic) topic = static_cast<std::int32_t>(index(std::ssize(topics())));
    const Words& words = topics()[static_cast<std::size_t>(topic)][static_cast<std::size_t>(slot)];
    return words[static_cast<std::size_t>(index(std::ssize(words)))];
  }

  RandomKey key_;
  std::uint64_t drawn_ = 0;
};

}  // namespace

Texts draw_topics(std::int64_t items, RandomKey key) {
  Texts all{"topics", {}, {}, std::ssize(topics())};
  for (std::int64_t i = 0; i < items; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    const auto topic = static_cast<std::int32_t>(uniform_index(key.at("label"), number, all.classes));
    all.labels.push_back(topic);
    all.texts.push_back(Writer(key.at(number)).text(topic));
  }
  return all;
}

extern const DataSource topics_source{.name = "topics",
                                      .text = "texts of four topics from templates",
                                      .texts = true,
                                      .files = false,
                                      .load = [](const DataRequest& r) {
                                        return as_data(draw_topics(r.train, RandomKey(r.seed, "topics.train")),
                                                       draw_topics(r.test, RandomKey(r.seed, "topics.test")), r);
                                      }};

}  // namespace weft
