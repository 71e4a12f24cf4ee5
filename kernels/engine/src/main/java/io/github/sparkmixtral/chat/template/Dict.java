package io.github.sparkmixtral.chat.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A Python dict: insertion order, and keys that are equal as Python's are. Filled once, then not changed. */
final class Dict {
    private final Map<Object, Map.Entry<Object, Object>> entries = new LinkedHashMap<>();

    Dict put(Object key, Object value) {
        Object known = Values.hashKey(key);
        Map.Entry<Object, Object> before = entries.get(known);
        entries.put(known, Map.entry(before == null ? key : before.getKey(), value));
        return this;
    }

    /** The value, or null. */
    Object get(Object key) {
        Map.Entry<Object, Object> entry = entries.get(Values.hashKey(key));
        return entry == null ? null : entry.getValue();
    }

    Object get(String key) {
        Map.Entry<Object, Object> entry = entries.get(key);
        return entry == null ? null : entry.getValue();
    }

    boolean has(Object key) {
        return entries.containsKey(Values.hashKey(key));
    }

    int size() {
        return entries.size();
    }

    Iterable<Map.Entry<Object, Object>> entries() {
        return entries.values();
    }

    List<Object> keys() {
        List<Object> keys = new ArrayList<>();
        entries.values().forEach(entry -> keys.add(entry.getKey()));
        return keys;
    }

    List<Object> values() {
        List<Object> values = new ArrayList<>();
        entries.values().forEach(entry -> values.add(entry.getValue()));
        return values;
    }

    List<Object> pairs() {
        List<Object> pairs = new ArrayList<>();
        entries.values().forEach(entry -> pairs.add(Sequence.tuple(entry.getKey(), entry.getValue())));
        return pairs;
    }
}
