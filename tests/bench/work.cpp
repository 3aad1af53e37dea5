// SPDX-License-Identifier: MIT
// A load for bench.py: what a compiler allocates for the standard library's templates,
// several times over, with types that differ.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#define PART(n, least, most)                                                                       \
	struct key##n {                                                                            \
		int a;                                                                             \
		std::string s;                                                                     \
		bool operator<(const key##n &o) const { return a < o.a || (a == o.a && s < o.s); } \
	};                                                                                         \
	std::map<key##n, std::vector<std::string>> ordered##n;                                     \
	std::unordered_map<std::string, std::shared_ptr<key##n>> hashed##n;                        \
	int part##n(const std::string &in)                                                         \
	{                                                                                          \
		static const std::regex re("([a-z]+)" #n "[0-9]*(x|y){" #least "," #most "}");     \
		int count = 0;                                                                     \
		std::set<std::pair<int, key##n *>> pairs;                                          \
		for (auto it = std::sregex_iterator(in.begin(), in.end(), re);                     \
		     it != std::sregex_iterator(); ++it) {                                         \
			ordered##n[key##n{count++, it->str()}].push_back(it->str(1));              \
			hashed##n[it->str()] = std::make_shared<key##n>();                         \
			pairs.insert({count, hashed##n[it->str()].get()});                         \
		}                                                                                  \
		std::vector<key##n> keys;                                                          \
		for (auto &e : ordered##n)                                                         \
			keys.push_back(e.first);                                                   \
		std::sort(keys.begin(), keys.end(),                                                \
			  [](const key##n &x, const key##n &y) { return y < x; });                 \
		std::function<int(int)> more = [&](int q) { return q + int(keys.size()); };        \
		return more(count);                                                                \
	}
PART(0, 0, 3)
PART(1, 1, 4)
PART(2, 2, 5)
PART(3, 3, 6)
PART(4, 4, 7)
PART(5, 0, 3)
