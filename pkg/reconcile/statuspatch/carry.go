package statuspatch

import "reflect"

// Carry returns a status as it really is (raw, with fields that the types don't have) with the change that leads from one
// state of its type to another. Fields that neither state has stay, also those of items in lists that have an identity.
// Fields that the type has and raw doesn't are in the result: CRDs require some.
func Carry(raw, from, to any) (map[string]any, error) {
	status, err := fieldsOf(raw)
	if err != nil {
		return nil, err
	}
	if status == nil { // null
		status = map[string]any{}
	}
	before, err := fieldsOf(from)
	if err != nil {
		return nil, err
	}
	after, err := fieldsOf(to)
	if err != nil {
		return nil, err
	}
	carry(status, before, after)
	return status, nil
}

// carry makes object differ from what it is as to differs from from.
func carry(object, from, to map[string]any) {
	for name, value := range to {
		present, exists := object[name]
		if (exists && reflect.DeepEqual(from[name], value)) || (!exists && value == nil) {
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			presentMap, _ := present.(map[string]any)
			if presentMap == nil {
				presentMap = map[string]any{}
			}
			fromMap, _ := from[name].(map[string]any)
			carry(presentMap, fromMap, value)
			object[name] = presentMap
		case []any:
			presentList, _ := present.([]any)
			fromList, _ := from[name].([]any)
			object[name] = carryList(presentList, fromList, value)
		default:
			object[name] = value
		}
	}
	for name := range from {
		if _, kept := to[name]; !kept {
			delete(object, name)
		}
	}
}

// carryList does the same for a list whose items have an identity; other lists are replaced.
func carryList(object, from, to []any) []any {
	list := make([]any, 0, len(to))
	for _, item := range to {
		wanted, isMap := item.(map[string]any)
		present := itemLike(object, item)
		if !isMap || present == nil {
			list = append(list, item)
			continue
		}
		carry(present, itemLike(from, item), wanted)
		list = append(list, present)
	}
	return list
}

// itemLike returns the item of a list with the same identity: a condition's type, or a runtime's namespace and name.
func itemLike(list []any, item any) map[string]any {
	identity := func(item any) [3]any {
		fields, _ := item.(map[string]any)
		if conditionType, isCondition := fields["type"]; isCondition && fields["status"] != nil {
			return [3]any{conditionType}
		}
		return [3]any{fields["namespace"], fields["name"], fields["type"]}
	}
	wanted := identity(item)
	if wanted == ([3]any{}) {
		return nil
	}
	for _, candidate := range list {
		if identity(candidate) == wanted {
			fields, _ := candidate.(map[string]any)
			return fields
		}
	}
	return nil
}
