package io.github.sparkmixtral.chat.template;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Predicate;

/** The items for which a condition holds, or does not; each is looked at when it is asked for, as Python's generators do. */
final class Selection implements Iterator<Object> {
    private final Iterator<Object> items;
    private final Predicate<Object> condition;
    private final boolean wanted;
    private final Budget budget;
    private Object next;

    Selection(Iterator<Object> items, Predicate<Object> condition, boolean wanted, Budget budget) {
        this.items = items;
        this.condition = condition;
        this.wanted = wanted;
        this.budget = budget;
    }

    @Override
    public boolean hasNext() {
        while (next == null && items.hasNext()) {
            budget.step();
            Object item = items.next();
            next = condition.test(item) == wanted ? item : null;
        }
        return next != null;
    }

    @Override
    public Object next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        Object item = next;
        next = null;
        return item;
    }
}
